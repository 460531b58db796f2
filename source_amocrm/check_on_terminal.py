"""`source-amocrm check` on a terminal: sentences for the person who typed it in place of the platform's messages."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from source_amocrm.airbyte.check import EXTRAS
from source_amocrm.airbyte.stdout import show_any_text
from source_amocrm.auth import FileKeeper, HandOver, print_settings
from source_amocrm.config_file import ConfigFile
from source_amocrm.entrypoint import LOGGER, Entrypoint, check_files, unforeseen
from source_amocrm.errors import AmocrmError
from source_amocrm.secrecy import mask
from source_amocrm.source import SourceAmocrm, notes, open_account


def check(arguments: list[str]) -> int:
    """The exit code is the one of the same command without a terminal."""
    parsed = Entrypoint.parse_args(arguments)
    plain_logs()
    code = 1
    try:
        check_files(parsed)
        code, path = 0, Path(parsed.config)
        print(printable(verdict(SourceAmocrm.read_config(str(path)), keeper(path))))
    except AmocrmError as error:
        print(printable(str(error)), file=sys.stderr)
    except Exception as error:
        LOGGER.exception("An unforeseen error")
        print(unforeseen(error), file=sys.stderr)
        return 1
    return code


def plain_logs() -> None:
    """Shows warnings as sentences on stderr, and whatever text on whatever terminal."""
    show_any_text()
    warnings = logging.StreamHandler(sys.stderr)
    warnings.setLevel(logging.WARNING)
    warnings.setFormatter(_Printable())
    logging.getLogger().handlers = [warnings]


def verdict(config: MutableMapping[str, Any], hand_over: HandOver) -> str:
    """Says what can be read of the account. Raises AmocrmError when nothing can.

    `hand_over` gets the config when amoCRM has changed something in it.
    """
    Entrypoint.set_up_secret_filter(config, SourceAmocrm().spec(LOGGER).connectionSpecification)
    account = open_account(config, EXTRAS, hand_over)
    name, domain = " ".join(str(account.facts().body.get("name") or "").split()), account.api.auth.domain
    called = f"The account “{name}” ({domain})" if name else f"The account {domain}"
    told = notes(account)
    if not told:
        return f"{called} can be read, every table of it."
    return "\n".join([f"{called} can be read, but:", *(f"- {note}" for note in told)])


def keeper(path: Path) -> FileKeeper:
    """Keeps rotated tokens in the config itself, for there is no platform. If that fails, prints the settings."""
    return FileKeeper(ConfigFile(path), else_to=print_settings)


def printable(text: str) -> str:
    """The text without secrets and control characters: names and errors come from the network."""
    return "".join(c for c in mask(text) if c.isprintable() or c == "\n")


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
