"""`source-amocrm probe`: the command line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from amocrm_probe.probe_page import page
from amocrm_probe.probe_requests import MOST_REQUESTS
from amocrm_probe.probe_run import Probe, probe_of
from amocrm_probe.questions import QUESTIONS
from source_amocrm import atomic_file
from source_amocrm.arguments import ArgumentParser
from source_amocrm.entrypoint import LOGGER, Entrypoint, check_files, keeper, plain_logs, printable, unforeseen
from source_amocrm.errors import AmocrmError, ConfigError
from source_amocrm.shutdown import INTERRUPTED
from source_amocrm.source import SourceAmocrm, open_account

FILE = "probe.json"


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 when every question was asked."""
    options = _parser().parse_args(arguments)
    plain_logs()
    try:
        check_files(options)
        probe = _probed(options.config, options.output)
        print(page(QUESTIONS, probe.found()))
        _write(options.output, json.dumps(probe.found(), indent=2) + "\n")
    except AmocrmError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        LOGGER.exception("An unforeseen error")
        print(unforeseen(error), file=sys.stderr)
        return 1
    print(f"\nWritten to {printable(str(options.output / FILE))}.")
    return _failed(probe.stopped) if probe.stopped else 0


def _probed(config_path: Path, folder: Path) -> Probe:
    """Runs the probe. Raises AmocrmError if the account cannot be read or the file could not be written later."""
    config = SourceAmocrm.read_config(str(config_path))
    Entrypoint.set_up_secret_filter(config, SourceAmocrm().spec(LOGGER).connectionSpecification)
    account = open_account(config, hand_over=keeper(config_path))
    if not atomic_file.may_be_written(folder / FILE):
        raise ConfigError(f"{folder / FILE} cannot be written. Name another folder with --output.")
    line = _Line()
    try:
        probe = probe_of(account)
        probe.run(lambda title: line.show(f"{probe.asking.sent()}/{MOST_REQUESTS}  {title}"))
    finally:
        line.clear()
        account.pool.shut_down()
    return probe


def _write(folder: Path, text: str) -> None:
    """Raises ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder / FILE} cannot be written: {error.strerror}.") from None


def _failed(error: AmocrmError) -> int:
    print(printable(str(error)), file=sys.stderr)
    return 1


class _Line:
    """The progress line on stderr, shown only on a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def show(self, text: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        self.show("")


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="source-amocrm probe",
        description=f"Asks an account what documents leave open of amoCRM's API. It only reads, with some "
        f"{MOST_REQUESTS} requests at most, and writes {FILE}, which holds nothing of anybody.",
    )
    parser.add_argument("--config", type=Path, required=True, help="the settings of the source, in JSON")
    parser.add_argument("--output", type=Path, default=Path(), help=f"the folder for {FILE} (default: this one)")
    return parser
