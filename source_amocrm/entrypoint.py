"""Runs Airbyte's commands, and tells a failure in one sentence instead of a stack trace; `check` for a person, too."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_amocrm.account import Account
from source_amocrm.airbyte.broken_stdout import show_any_text
from source_amocrm.airbyte.check import EXTRAS, POLICY
from source_amocrm.airbyte.first_sync import first_sync
from source_amocrm.airbyte.output import Lines, Output, lines
from source_amocrm.auth import FileKeeper, HandOver, print_settings
from source_amocrm.config import check_shape
from source_amocrm.config_file import ConfigFile
from source_amocrm.errors import AmocrmError, ConfigError, SyncFailed, print_error
from source_amocrm.secrecy import hide_in_logs, mask
from source_amocrm.source import SourceAmocrm, notes, open_account

LOGGER = logging.getLogger("airbyte")
_FILES = {
    "config": ("a JSON object with the source's settings", " `source-amocrm connect` writes one."),
    "catalog": (
        "a configured Airbyte catalog in JSON",
        " It is what `discover` prints, with a sync mode for each stream: docs/guides/docker.md.",
    ),
    "state": ("a JSON list of Airbyte state messages, one a stream", ""),
}
"""What each file of the command line holds, and where it comes from."""
_COMMANDS = {"spec": (), "check": ("config",), "discover": ("config",), "read": ("config", "catalog", "state")}
"""The files that each of Airbyte's commands takes; a state may be left out."""


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, with our own checks of the command line's files, which explain a mistake in words.

    Rows, which come as `Lines`, go to `output` at once; `run` yields all other messages.
    """

    def __init__(self, source: SourceAmocrm, output: Output) -> None:
        level = LOGGER.level
        LOGGER.setLevel(logging.WARNING)  # the CDK's memory monitor logs that it starts
        super().__init__(source)
        LOGGER.setLevel(level)
        self._output = output

    @staticmethod
    def parse_args(args: list[str]) -> argparse.Namespace:
        """Overridden: the CDK's offers the options of low-code connectors, and a --debug that logs no more of ours."""
        parser = argparse.ArgumentParser(prog="source-amocrm")
        commands = parser.add_subparsers(dest="command")
        for command, files in _COMMANDS.items():
            of_command = commands.add_parser(command)
            for name in files:
                help_text = f"a file: {_FILES[name][0]}"
                of_command.add_argument(f"--{name}", metavar="FILE", required=name != "state", help=help_text)
            if command == "check":
                help_text = "also say how many requests and minutes a first sync takes"
                of_command.add_argument("--estimate", action="store_true", help=help_text)
        return parser.parse_args(args)

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Left to `parse_config`: the CDK's message would repeat what was typed."""

    def read(self, *args: Any) -> Iterator[AirbyteMessage]:
        for message in super().read(*args):
            if isinstance(message, Lines):
                self._output.rows(message)
            else:
                yield message

    @staticmethod
    def handle_record_counts(message: AirbyteMessage, stream_message_count: Any) -> AirbyteMessage:
        """Counts all rows of a message. The CDK's counts one."""
        if not isinstance(message, Lines):
            return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)
        stream_message_count[HashableStreamDescriptor(name=message.stream)] += message.count
        return message


def launch(arguments: list[str], hand_over: HandOver = print_settings) -> int:
    """Runs one command. Returns the exit code, which is 0 only after success. `hand_over` gets changed settings."""
    parsed = Entrypoint.parse_args(arguments)
    hide_in_logs()
    output = Output(sys.stdout.buffer)
    entrypoint = Entrypoint(SourceAmocrm(lines, hand_over), output)
    with PRINT_BUFFER:
        try:
            check_files(parsed)
            for message in entrypoint.run(parsed):
                output.line(message)
            return 0
        except SyncFailed as error:
            LOGGER.error(error.message)
        except AirbyteTracedException as error:
            _print_failure(error)
        except Exception as error:
            LOGGER.exception("An unforeseen error")
            _print_failure(AirbyteTracedException.from_exception(error, message=unforeseen(error)))
    return 1


def check_on_terminal(arguments: list[str]) -> int:
    """Runs `check` for a person: prints sentences. Returns 0 if the account can be read, else 1.

    Airbyte reads the verdict in a message, and wants exit code 0 with it; a person's shell has the exit code alone.
    With `--estimate` also prints the requests and the time of a first sync.
    """
    parsed = Entrypoint.parse_args(arguments)
    plain_logs()
    try:
        check_files(parsed)
        config, hand_over = SourceAmocrm.read_config(parsed.config), keeper(Path(parsed.config))
        account = opened(config, hand_over)
        print(printable(verdict(account)), flush=True)
        if parsed.estimate:
            print(printable(first_sync(account)))
        return 0
    except AmocrmError as error:
        print(printable(str(error)), file=sys.stderr)
    except Exception as error:
        LOGGER.exception("An unforeseen error")
        print(unforeseen(error), file=sys.stderr)
    return 1


def check_files(parsed: argparse.Namespace) -> None:
    """Raises ConfigError for a file of the command line that does not exist or holds no JSON of the right shape."""
    for name, (shape, hint) in _FILES.items():
        path = getattr(parsed, name, None)
        if path is None:
            continue
        try:
            content = getattr(SourceAmocrm, f"read_{name}")(path)
            if name == "config" and not isinstance(content, dict):
                raise ValueError
        except OSError as error:
            raise ConfigError(f"The {name} file {path} cannot be read: {error.strerror}.{hint}") from None
        except Exception as error:
            # the CDK raises its own error from that of the JSON parser
            line = getattr(error, "lineno", None) or getattr(error.__context__, "lineno", None)
            where = f" (line {line})" if line else ""
            advice = f"Nothing was read; mend the file and run again.{hint}"
            raise ConfigError(f"The {name} file {path} is not {shape}{where}. {advice}") from None
        if name == "config":
            check_shape(content)


def _print_failure(error: AirbyteTracedException) -> None:
    LOGGER.error(error.message or error.internal_message)
    sys.stdout.flush()
    print_error(error)


def unforeseen(error: Exception) -> str:
    return (
        f"Something went wrong inside the connector ({type(error).__name__}), not in amoCRM and not in your settings. "
        "Run the sync again; if it repeats, report it with the log of the sync."
    )


def plain_logs() -> None:
    """Logs warnings to stderr as sentences, which a terminal of any encoding can show."""
    show_any_text()
    warnings = logging.StreamHandler(sys.stderr)
    warnings.setLevel(logging.WARNING)
    warnings.setFormatter(_Printable())
    logging.getLogger().handlers = [warnings]


def opened(config: MutableMapping[str, Any], hand_over: HandOver) -> Account:
    """Returns the account for a check. All its requests go through this one: a second would have its own rate limit.

    `hand_over` gets the changed config.
    """
    Entrypoint.set_up_secret_filter(config, SourceAmocrm().spec(LOGGER).connectionSpecification)
    return open_account(config, EXTRAS, hand_over, policy=POLICY)


def verdict(account: Account) -> str:
    """Says what can be read of the account. Raises AmocrmError if nothing can."""
    name, domain = " ".join(str(account.facts().body.get("name") or "").split()), account.api.auth.domain
    called = f"The account “{name}” ({domain})" if name else f"The account {domain}"
    found = notes(account)
    if not found:
        return f"{called} can be read, every table of it."
    return "\n".join([f"{called} can be read, but:", *(f"- {note}" for note in found)])


def keeper(path: Path) -> FileKeeper:
    """Returns the hand-over to the config file, for there is no platform. If writing fails, prints the settings."""
    return FileKeeper(ConfigFile(path), else_to=print_settings)


def printable(text: str) -> str:
    """Returns the text without secrets and control characters: names and errors come from the network."""
    return "".join(c for c in mask(text) if c.isprintable() or c == "\n")


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
