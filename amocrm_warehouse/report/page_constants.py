"""What the page's scripts need to know and Python knows, too: lists, limits and names, each with one home."""

from __future__ import annotations

from typing import Any

from amocrm_warehouse.report.page_queries import CROSSED, GAINS, LOSSES, QUEUE_SHOWN, REASONS
from amocrm_warehouse.report.this_month import FIRST_DAYS, OF_MONTH, UNUSUAL, USUAL_MONTHS
from amocrm_warehouse.report.workbook import PATHS

CONSTANTS: dict[str, Any] = {
    "LANGUAGES": ["ru", "en"],
    "GAINS": GAINS, "LOSSES": LOSSES, "CROSSED": CROSSED, "REASONS": list(REASONS), "QUEUE_SHOWN": QUEUE_SHOWN,
    "FIRST_DAYS": FIRST_DAYS, "USUAL_MONTHS": USUAL_MONTHS, "UNUSUAL": UNUSUAL, "PLACES": PATHS,
    # the metrics of the first screen besides the sales, and those of which fewer is better
    "OF_MONTH": [name for name in OF_MONTH if name != "won_budget"],
    "FEWER_IS_BETTER": ["lost", "first_touch", "days_to_win"],
    "SALES": ["won", "won_budget", "lost"],
    # columns without a metric whose numbers are of all deals of a row
    "WHOLE": ["deals", "share", "budget", "cards"],
    # the most bars of a chart, and the cases of a stage that a sentence about the worst one needs
    "TOP": 12, "ENOUGH": 10,
    # the most deals of an opened list and of the list of dead ones, and of the section of stale ones
    "LISTED": 100, "STALE_SHOWN": 20,
    # columns of the table of reasons by month; all others are one
    "REASONS_BESIDE": 6,
    "COHORT_MONTHS": [0, 1, 2, 3, 6, 12],
    # under 7, 30 and 90 days, longer, and unknown
    "AGES": [0, 1, 2, 3, 4],
    # shades of a heat map
    "LEVELS": 5,
    # classes of the working time until the first touch, as metrics.yaml has them; None: no touch yet
    "SPEEDS": [0, 1, 2, 3, 4, None],
    # new customers, repeat ones, and deals without a contact and a company
    "CLIENTS": [False, True, None],
    # what people did, by the table that shows it: where that was not read, a number is unknown
    "SHOWN_BY": {
        "calls_out": "calls", "calls_in": "calls", "talk_seconds": "calls", "messages": "messages", "notes": "notes",
        "stage_moves": "deal_statuses", "tasks_done": "tasks",
    },
    "DONE": {"calls_out": "calls", "answered": "calls", "tasks_done": "tasks", "overdue": "tasks"},
}  # fmt: skip
