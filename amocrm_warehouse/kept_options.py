"""The options of a sync about what it keeps beside the present rows, for one account and for a fleet."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from amocrm_warehouse.database_address import listed

ALL, NONE = "all", "none"


@dataclass(frozen=True)
class Kept:
    """Fields are named like the arguments of `sync`. None stays as the sync before had it."""

    keep_deleted: bool | None = None
    history: tuple[str, ...] | None = None
    history_days: int | None = None

    @classmethod
    def of(cls, options: argparse.Namespace) -> Kept:
        """Returns what the options of `add_kept` say."""
        return cls(options.keep_deleted, options.history, options.history_days)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Kept:
        """Returns what KEEP_DELETED, HISTORY and HISTORY_DAYS say. Raises ValueError."""
        deleted, history, days = (environment.get(name) for name in ("KEEP_DELETED", "HISTORY", "HISTORY_DAYS"))
        if deleted not in (None, "", "yes", "no"):
            raise ValueError(f"KEEP_DELETED is yes or no, and not {deleted}.")
        if days and not days.isdecimal():
            raise ValueError(f"HISTORY_DAYS is a number of days, 0 for ever, and not {days}.")
        return cls(
            deleted == "yes" if deleted else None, _streams(history) if history else None, int(days) if days else None
        )


AS_BEFORE = Kept()


def add_kept(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `Kept`."""
    parser.add_argument(
        "--keep-deleted",
        action=argparse.BooleanOptionalAction,
        help="keep notes and calls of contacts deleted more than 30 days ago; by default as the sync before",
    )
    parser.add_argument(
        "--history",
        type=_streams,
        metavar="STREAMS",
        help="streams, or all, of which each version of a row is kept; none ends that; by default as the sync before",
    )
    parser.add_argument("--history-days", type=_days, metavar="DAYS", help="forget versions so many days old; 0 never")


def _streams(text: str) -> tuple[str, ...]:
    return () if text == NONE else tuple(listed(text))


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError("a number of days, 0 for ever")
    return int(text)
