"""`source-amocrm report --xlsx`: the tables in an Excel workbook, typed, with filters, totals and definitions."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_range_abs

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.answers import ANSWERS, AnswerTable, answer, marks_of
from amocrm_warehouse.report.choice import Choice, Marks
from amocrm_warehouse.report.like_with_like import percents
from amocrm_warehouse.report.metrics import MONEY, metrics_in
from amocrm_warehouse.report.page_queries import CROSSED, MOVES, built_at, first_months, needs
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.unmade_parts import made
from amocrm_warehouse.report.unread_tables import Unread, unread_of, unread_tables
from amocrm_warehouse.report.workbook_summary import write_summary
from amocrm_warehouse.report.working_days import working_days
from source_amocrm import atomic_file

SHEETS: dict[str, list[str]] = {
    "managers": ["manager", "won", "won_budget", "lost", "rate", "rate_was", "average", "overdue", "stale"],
    "deals": [
        "deal", "client", "manager", "pipeline_name", "stage", "budget", "created_on", "closed_on",
        "days_without_activity", "source", "loss_reason",
    ],
    "queue": [
        "card", "why", "text", "manager", "place", "pipeline_name", "stage", "budget", "working_minutes", "days",
    ],
    "today": [
        "card", "why", "text", "manager", "pipeline_name", "stage", "budget", "since_at_local", "days", "usual_days",
    ],
    "forecast": [
        "pipeline_name", "months_back", "month", "expected", "low", "high", "sold_so_far", "from_open", "from_new",
        "sold",
    ],
    "money": ["month", "won", "won_budget", "lost", "rate", "average"],
    "plans": ["month", "manager", "plan", "plan_so_far", "won_budget", "plan_share"],
    "funnel": ["pipeline_name", "stage", "deals", "reached", "lost_here"],
    "reasons": ["reason", "deals", "lost_budget"],
    "reasons_by_month": ["month", "reason", "deals", "lost_budget"],
    "speed": ["speed", "deals", "won_of_created", "source_rate", "won_of_created_budget"],
    "calls": ["manager", "incoming_calls", "missed_calls", "called_back", "back_after", "back_within_hour"],
    "moved": ["pipeline_name", "manager", "at_start", *MOVES, "at_end", *CROSSED],
    "repeat": ["is_repeat", "deals", "won_of_created", "source_rate", "won_of_created_budget"],
    "goods": ["good", "is_purchase", "sales", "quantity", "amount_now"],
    "sources": [
        "source", "deals", "won_of_created", "source_rate", "won_of_created_budget", "won", "won_budget",
    ],
    "stuck": ["pipeline_name", "stage", "deals", "budget"],
    "stale": [
        "deal", "manager", "pipeline_name", "stage", "budget", "days_without_activity", "open_tasks",
        "is_dead",
    ],
    "talks": ["manager", "talks", "first_response", "unanswered"],
    "work": ["manager", "calls_out", "calls_in", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done"],
}  # fmt: skip
TOTALS = {
    "money": {"won", "won_budget", "lost"}, "managers": {"won", "won_budget", "lost", "overdue", "stale"},
    "plans": {"plan", "plan_so_far", "won_budget"}, "reasons": {"deals", "lost_budget"},
    "sources": {"deals", "won_of_created", "won_of_created_budget", "won", "won_budget"}, "stuck": {"deals", "budget"},
    "talks": {"talks", "unanswered"}, "reasons_by_month": {"deals", "lost_budget"},
    "speed": {"deals", "won_of_created", "won_of_created_budget"}, "goods": {"amount_now"},
    "repeat": {"deals", "won_of_created", "won_of_created_budget"},
    "calls": {"incoming_calls", "missed_calls", "called_back", "back_within_hour"},
    "moved": {"at_start", *MOVES, "at_end", *CROSSED},
    "work": {"calls_out", "calls_in", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done"},
}  # fmt: skip
SHARES = {"plan_share", "rate_was"} | metrics_in("percent")
HEADS = {"pipeline_name": "filter.scope", "project_id": "column.account"}
OWN_HEADS = {
    "today": {"budget": "column.budget_of_each_line"}, "calls": {"back_after": "xlsx.back_after"},
    "work": {"talk_seconds": "xlsx.talk_seconds"},
}  # fmt: skip
"""Heads of one sheet. A card stands in a line for each reason why it waits; durations say their unit."""
OF_TASKS = {"task", "overdue_task"}
"""The reasons whose text is that of a task."""
MEANT = {
    **dict.fromkeys(("queue", "today", "stale", "talks"), "owner"), "calls": "answerer", "moved": "owner_then",
    "work": "author",
}  # fmt: skip
"""What the manager of a sheet is; of the others, the responsible user: of closed deals, at closing."""
NAMELESS = {
    "manager": "user.nobody", "reason": "reasons.none_given", "source": "source.unknown", "card": "card.nameless",
    "deal": "card.nameless", "good": "card.nameless",
}  # fmt: skip
"""The words for a name that is missing."""
WIDE = {"card", "deal", "client", "text", "reason", "loss_reason", "source", "good"}
NARROWEST, WIDEST, WIDE_COLUMN = 12, 30, 34
"""Widths of columns (characters); a longer head has two lines."""
SHEET_ROWS = 10_000
"""The most rows of a sheet; a line below says how many are left out. Lists of cards begin with the highest budgets."""
A4 = 9
PATHS = {"deal": "leads", "contact": "contacts", "company": "companies", "customer": "customers"}


def link(domain: str | None, kind: str | None, number: int | None) -> str | None:
    """Returns a card's address in amoCRM."""
    return f"https://{domain}/{PATHS[kind]}/detail/{number}" if domain and kind in PATHS and number else None


def write(path: Path, run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = ()) -> None:
    """Replaces the file as a whole, without sheets of missing models. Raises ValueError if it cannot be written."""
    book = content(run, choice, words, unbuilt)
    try:
        atomic_file.write(path, book)  # for its owner alone, since customers' names are in it
    except OSError as error:
        raise ValueError(f"The workbook {path} cannot be written: {error.strerror}. Name another file.") from None


def content(run: Run, choice: Choice, words: Words, unbuilt: Collection[str]) -> bytes:
    accounts = {row["project_id"]: row for row in answer(run, "accounts", choice).dicts()}
    marks = marks_of(run)
    unread = unread_tables(run, accounts)
    file = BytesIO()
    book = xlsxwriter.Workbook(file, {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True})
    write_summary(book, run, choice, words, unbuilt)
    lines = [[words("title")]]
    for project, row in accounts.items():
        days = choice.days[project]
        period = f"{words.day(days.since)} – {words.day(min(days.until, days.today))}"
        lines.append([choice.title(row["account"]), period, row["currency"] or words("currency.unknown")])
    built = built_at(run)
    lines += [[row["account"], words.as_of(row, built)] for row in accounts.values()]

    def write_sheet(name: str) -> None:
        table = answer(run, name, choice)
        if name == "managers":
            table = with_rate_before(run, table, choice, unbuilt)
        Sheet(name, table, accounts, unread, words, marks).write(book)

    for name, columns in SHEETS.items():
        if name == "forecast" and choice.users is not None:
            continue
        if needs(ANSWERS[name]) & set(unbuilt):
            lines += [[], [words(f"{name}.title"), words("none.unbuilt")]]
            continue
        failed: list[str] = []
        made(words, words(f"{name}.title"), partial(write_sheet, name), failed.append)
        if failed and not book.get_worksheet_by_name(words(f"{name}.title")):
            book.add_worksheet(words(f"{name}.title")).write_string(0, 0, failed[0])
        lines += [[], [words(f"{name}.title"), *(failed or [words(f"{name}.lead")])]]
        lines += [
            ["", words(head(column, name)), meaning]
            for column in columns
            if (meaning := words.of_column(MEANT.get(name, column) if column == "manager" else column))
        ]
    front = book.add_worksheet(words("xlsx.definitions"))
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    for column, width in enumerate((28, 60, 80)):
        front.set_column(column, column, width, wrap)
    for at, line in enumerate(lines):
        for column, text in enumerate(line):
            front.write_string(at, column, text)
    set_up_print(front)
    book.close()
    return file.getvalue()


def with_rate_before(run: Run, managers: AnswerTable, choice: Choice, unbuilt: Collection[str]) -> AnswerTable:
    """Adds each manager's conversion in the days before; none of an account whose data do not reach back to them."""
    first, before = first_months(run, unbuilt), choice.before(working_days(run, unbuilt))
    rates = {
        (row["project_id"], row["user_id"]): row["rate"]
        for row in answer(run, "managers", before).dicts()
        if first.get(row["project_id"], date.max) <= before.days[row["project_id"]].since
    }
    rows = [row | {"rate_was": rates.get((row["project_id"], row["user_id"]))} for row in managers.dicts()]
    return AnswerTable([*managers.columns, "rate_was"], [tuple(row.values()) for row in rows])


def head(column: str, sheet: str = "") -> str:
    return OWN_HEADS.get(sheet, {}).get(column) or HEADS.get(column, f"column.{column}")


def set_up_print(page: Any) -> None:
    """Sets a page of one sheet's width, across."""
    page.set_landscape()
    page.set_paper(A4)
    page.fit_to_pages(1, 0)


class Sheet:
    """One table of Excel, under the names of the page, with a filter at each column and the sums of each currency.

    Below stands which tables of `unread` leave cells empty, or rows out.
    """

    def __init__(
        self, name: str, table: AnswerTable, accounts: dict[str, dict[str, Any]], unread: Unread, words: Words,
        marks: Marks,
    ) -> None:  # fmt: skip
        self.name, self.accounts, self.words, self.marks = name, accounts, words, marks
        self.lacking = {project: unread_of(name, SHEETS[name], unread, project) for project in accounts}
        self.rows = table.dicts()[:SHEET_ROWS]
        self.left_out = max(len(table.rows) - SHEET_ROWS, 0)
        purses = set(map(self.purse, accounts.values()))
        self.by_currency = len(purses) > 1 and "currency" in table.columns
        self.columns = [
            *(["project_id"] if len(accounts) > 1 else []), *(["currency"] if self.by_currency else []), *SHEETS[name],
        ]  # fmt: skip

    def purse(self, row: dict[str, Any]) -> str:
        """Returns the currency of a row; an unknown one differs from all others."""
        return row["currency"] or f"{self.words('currency.unknown')} ({row['project_id']})"

    def write(self, book: Any) -> None:
        page = book.add_worksheet(self.words(f"{self.name}.title"))
        self.formats = {
            name: book.add_format({"num_format": code})
            for name, code in {
                "money": "#,##0", "small share": "0.0%", "share": "0%", "almost": '"99%"', "day": "yyyy-mm-dd",
                "month": "mmmm yyyy", "moment": "yyyy-mm-dd hh:mm", "duration": "[h]:mm",
            }.items()
        } | {"link": book.get_default_url_format(), "bold": book.add_format({"bold": True})}  # fmt: skip
        last = max(len(self.rows), 1)
        names = [self.words(head(column, self.name)) for column in self.columns]
        whole = book.add_format({"text_wrap": True, "valign": "top"})
        heads = [{"header": name, "header_format": whole} for name in names]
        page.add_table(0, 0, last, len(self.columns) - 1, {"columns": heads, "name": f"t_{self.name}"})
        page.freeze_panes(1, 1)
        for at, row in enumerate(self.rows, 1):
            for position, column in enumerate(self.columns):
                self.put(page, at, position, column, row)
        for at, (currency, values) in enumerate(self.sums().items(), last + 1):
            label = ", ".join(filter(None, (self.words("total"), currency)))
            page.write_string(at, 0, label, self.formats["bold"])
            for column, value in values.items():
                position = self.columns.index(column)
                formula = f"=SUBTOTAL(109,{cells(last, position)})"
                if currency:
                    formula = (
                        f'=SUMIFS({cells(last, position)},{cells(last, self.columns.index("currency"))},"{currency}")'
                    )
                kind = "money" if column in MONEY else "duration" if column == "talk_seconds" else ""
                shown = float(value) / (86_400 if column == "talk_seconds" else 1)
                page.write_formula(at, position, formula, self.formats.get(kind), shown)
        notes = [self.unread()] if any(self.lacking.values()) else []
        notes += [self.words("xlsx.more", count=self.left_out)] if self.left_out else []
        for at, note in enumerate(notes, last + len(self.sums()) + 2):
            page.write_string(at, 0, note)
        for position, column in enumerate(self.columns):
            # the button of the filter takes three characters
            width = min(max(len(names[position]) + 3, NARROWEST), WIDEST)
            page.set_column(position, position, WIDE_COLUMN if column in WIDE else width)
        page.repeat_rows(0)
        set_up_print(page)

    def unread(self) -> str:
        """Returns the sentence about the tables that were not read, of each account if there are several."""
        found = {project: ", ".join(tables) for project, tables in self.lacking.items() if tables}
        if len(self.accounts) > 1:
            found = {one: f"{self.accounts[one]['account']}: {tables}" for one, tables in found.items()}
        return self.words("xlsx.unread", tables="; ".join(found.values()))

    def sums(self) -> dict[str, dict[str, Any]]:
        """Returns the sums of columns by currency, the one currency of all as "". A column without values has none."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows if self.name in TOTALS else ():
            groups.setdefault(self.purse(row) if self.by_currency else "", []).append(row)
        return {
            purse: {
                column: sum(found)
                for column in self.columns
                if column in TOTALS[self.name]
                if (found := [row[column] for row in rows if row[column] is not None])
            }
            for purse, rows in sorted(groups.items())
        }

    def put(self, page: Any, at: int, position: int, column: str, row: dict[str, Any]) -> None:
        domain, value = self.accounts[row["project_id"]]["domain"], row[column]
        if column == "text" and row.get("reason", row["why"]) not in OF_TASKS:
            value = None
        if column == "manager":
            value = self.words.manager(row, self.marks)
        if column == "pipeline_name":
            value = self.marks.pipeline(row)
        url = link(domain, row.get("entity_type", "deal"), row.get("entity_id") or row.get("deal_id"))
        if column == "why":
            value = ", ".join(self.words(f"today.{reason}") for reason in value.split(" "))
        elif column == "speed":
            value = self.words(f"speed.{'none' if value is None else value}")
        elif column == "is_repeat":
            value = self.words(f"repeat.{json.dumps(value)}")
        elif column == "currency":
            value = self.purse(row)
        elif value is None and column in NAMELESS:
            value = self.words(NAMELESS[column])
        elif column == "pipeline_name" and self.name == "forecast" and row["pipeline_id"] is None:
            value = self.words("scope.all")
        if column in ("card", "deal") and url:
            page.write_url(at, position, url, self.formats["link"], str(value)[:200])
        else:
            self.put_value(page, at, position, column, value)

    def put_value(self, page: Any, at: int, position: int, column: str, value: Any) -> None:
        """Writes a value in its own type; a text is never a formula."""
        if value is None:
            return
        if isinstance(value, bool):
            page.write_boolean(at, position, value)
        elif isinstance(value, datetime):
            page.write_datetime(at, position, value, self.formats["moment"])
        elif isinstance(value, date):
            page.write_datetime(at, position, value, self.formats["month" if column == "month" else "day"])
        elif isinstance(value, str):
            page.write_string(at, position, value[:32_000])
        elif column == "talk_seconds":
            page.write_number(at, position, float(value) / 86_400, self.formats["duration"])
        else:
            kind = "money" if column in MONEY else share_format(value) if column in SHARES else None
            page.write_number(at, position, float(value), self.formats.get(kind or ""))


def cells(last: int, column: int) -> str:
    """Returns the cells of a column below its head."""
    return str(xl_range_abs(1, column, last, column))


def share_format(share: float) -> str:
    """Returns the format in which Excel shows a share as `percents` rounds it."""
    shown = percents(share)
    return "almost" if shown == 99 else "small share" if abs(share) < 0.1 else "share"
