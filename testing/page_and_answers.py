"""Holds the page, which JavaScript counts, beside the workbook and the assistant, for which SQL counts the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from amocrm_warehouse.report.report_words import Words

Row = Mapping[str, Any]
Rows = list[list[Any]]
Page = Mapping[str, Any]
SAID = Words("en")


def table(page: Page, section: str, place: int = 0) -> Rows:
    return list(page[section]["tables"][place]) if len(page[section]["tables"]) > place else []


def named(page: Page, section: str) -> dict[str, Rows]:
    """Returns the tables of a section by the name above each."""
    names = [caption.partition(": ")[2] for caption in page[section]["captions"]]
    return dict(zip(names, page[section]["tables"], strict=True))


def all_named(page: Page, section: str) -> Rows:
    return [[name, *row] for name, rows in named(page, section).items() for row in rows]


def of(*columns: str) -> Callable[[Sequence[Row]], Rows]:
    return lambda rows: [[row[column] for column in columns] for row in rows]


def summed(rows: Iterable[list[Any]], texts: int = 1) -> Rows:
    """Returns the rows whose first values are the same as one, with the sums of their other values."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        own = found.setdefault(tuple(row[:texts]), [0] * (len(row) - texts))
        found[tuple(row[:texts])] = [one + (other or 0) for one, other in zip(own, row[texts:], strict=True)]
    return [[*key, *numbers] for key, numbers in found.items() if any(numbers)]


def first_touch(row: Row) -> str:
    return SAID(f"speed.{'none' if row['speed'] is None else row['speed']}")


def customer(row: Row) -> str:
    return SAID({True: "repeat.true", False: "repeat.false", None: "repeat.null"}[row["is_repeat"]])


SOLD = ("deals", "won_of_created", "source_rate", "won_of_created_budget")
WORK = ("calls_out", "calls_in", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done")
CALLS = ("incoming_calls", "missed_calls", "called_back", "back_within_hour")
TOUCH, WEEK, INCOMING = (
    "First touch in working time, and winning",
    "Deals by weekday and hour of creation",
    "Incoming calls",
)
BOTH: dict[str, tuple[Callable[[Sequence[Row]], Rows], Callable[[Page], Rows]]] = {
    "money": (
        lambda rows: summed([[f"{row['month']:%Y-%m}", row["won"], row["won_budget"], row["lost"]] for row in rows]),
        lambda page: summed([[row[0][:7], row[1], row[2], row[-1]] for row in table(page, "money")]),
    ),
    "managers": (
        of("manager", "won", "won_budget", "lost", "rate", "average", "overdue", "stale"),
        lambda page: [[*row[:3], *row[-5:]] for row in table(page, "managers") if any(row[1:3]) or any(row[-5:])],
    ),
    "reasons": (
        of("reason", "deals", "lost_budget"),
        lambda page: [[row[0], row[1], row[3]] for row in table(page, "reasons")],
    ),
    "reasons_by_month": (
        lambda rows: summed([[f"{row['month']:%Y-%m}", row["deals"]] for row in rows]),
        lambda page: summed([[row[0][:7], row[-1]] for row in table(page, "reasons", 1)]),
    ),
    "sources": (of("source", *SOLD), lambda page: [row[:5] for row in table(page, "sources") if row[1]]),
    "funnel": (
        of("pipeline_name", "stage", "reached", "lost_here"),
        lambda page: [[*row[:3], row[5]] for row in all_named(page, "funnel")],
    ),
    "stuck": (
        of("pipeline_name", "stage", "deals", "budget"),
        lambda page: [[*row[:2], *row[-2:]] for row in all_named(page, "stuck")],
    ),
    "speed": (
        lambda rows: [[first_touch(row), *(row[name] for name in SOLD)] for row in rows],
        lambda page: [[*row[:2], *row[3:]] for row in named(page, "incoming").get(TOUCH, [])],
    ),
    "created_by_hour": (
        of("weekday", "hour", "deals"),
        lambda page: [[day + 1, hour, count] for day, *counts, _ in named(page, "incoming").get(WEEK, [])
                      for hour, count in enumerate(counts) if count],
    ),
    "calls": (
        # who has no id is one in the page
        lambda rows: summed([[None if row["user_id"] is None else row["manager"], *(row[name] for name in CALLS)]
                             for row in rows]),
        lambda page: summed([[row[0], row[1], row[3], row[5], row[7]]
                             for row in named(page, "incoming").get("Incoming calls", [])]),
    ),
    "moved": (
        lambda rows: summed([[row["manager"], row["at_start"], row["at_end"]] for row in rows]),
        lambda page: summed([[row[0], row[1], row[-1]] for row in named(page, "moved").get("By manager", [])]),
    ),
    "repeat": (
        lambda rows: [[customer(row), *(row[name] for name in SOLD[:3])] for row in rows],
        lambda page: [row[:4] for row in table(page, "repeat") if row[1]],
    ),
    "goods": (
        lambda rows: summed([[row["good"], row["is_purchase"], row["sales"], row["quantity"]] for row in rows], 2),
        lambda page: summed([[good, name == "In purchases", sales, quantity]
                             for name, good, sales, quantity, _ in all_named(page, "goods")], 2),
    ),
    "talks": (
        of("manager", "talks", "first_response", "unanswered"),
        lambda page: [[*row[:3], row[-1]] for row in table(page, "talks")],
    ),
    "work": (of("manager", *WORK), lambda page: table(page, "work")),
}  # fmt: skip
"""By the name of an answer: its rows, and those of the page, in the same columns."""
OF_THEIR_OWN = {
    "plans", "today", "queue", "dead", "forecast", "stale", "figures", "reasons_today", "accounts", "people",
    "pipelines", "deal", "days",
}  # fmt: skip
"""Answers that are no table of the page, or are computed by SQL for both."""
