"""Airbyte's commands, with every failure told in one sentence instead of a stack trace."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_amocrm.airbyte.output import Output, packed
from source_amocrm.auth import HandOver, print_settings
from source_amocrm.config import check_shape
from source_amocrm.errors import ConfigError, SyncFailed, print_error
from source_amocrm.secrecy import hide_in_logs
from source_amocrm.source import SourceAmocrm

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


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint. We check the files of the command line ourselves, in words.

    Rows, which `source` has packed, go to `output` as they come; `run` yields everything else.
    """

    def __init__(self, source: SourceAmocrm, output: Output) -> None:
        level = LOGGER.level
        LOGGER.setLevel(logging.WARNING)  # the CDK's memory monitor announces itself
        super().__init__(source)
        LOGGER.setLevel(level)
        self._output = output

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Left to `parse_config`: the CDK's message would repeat what was typed."""

    def read(self, *args: Any) -> Iterator[AirbyteMessage]:
        for message in super().read(*args):
            if message.record is None:
                yield message
            else:
                self._output.row(message.record)


def launch(arguments: list[str], hand_over: HandOver = print_settings) -> int:
    """Runs one command; the exit code is 0 only when it did what it should. `hand_over` gets changed settings."""
    parsed = Entrypoint.parse_args(arguments)
    hide_in_logs()
    output = Output(sys.stdout.buffer)
    entrypoint = Entrypoint(SourceAmocrm(packed, hand_over), output)
    with PRINT_BUFFER:
        try:
            check_files(parsed)
            with output:
                for message in entrypoint.run(parsed):
                    output.line(message)
        except BrokenPipeError:
            raise
        except SyncFailed as error:
            LOGGER.error(error.message)
            return 1
        except AirbyteTracedException as error:
            _tell(error)
            return 1
        except Exception as error:
            LOGGER.exception("An unforeseen error")
            _tell(AirbyteTracedException.from_exception(error, message=unforeseen(error)))
            return 1
    return 0


def check_files(parsed: argparse.Namespace) -> None:
    """Raises ConfigError for a file that is not there or holds no JSON of the right shape."""
    for name, (what, hint) in _FILES.items():
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
            # the CDK raises another error from the one of the JSON
            line = getattr(error, "lineno", None) or getattr(error.__context__, "lineno", None)
            where = f" (line {line})" if line else ""
            advice = f"Nothing was read; mend the file and run again.{hint}"
            raise ConfigError(f"The {name} file {path} is not {what}{where}. {advice}") from None
        if name == "config":
            check_shape(content)


def _tell(error: AirbyteTracedException) -> None:
    LOGGER.error(error.message or error.internal_message)
    sys.stdout.flush()
    print_error(error)


def unforeseen(error: Exception) -> str:
    return (
        f"Something went wrong inside the connector ({type(error).__name__}), not in amoCRM and not in your settings. "
        "Run the sync again; if it repeats, report it with the log of the sync."
    )
