"""`source-amocrm report --xlsx`: the tables in an Excel workbook, typed, with filters, totals and definitions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import xlsxwriter

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.answers import ANSWERS, AnswerTable, answer
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.metrics import MONEY, metrics_in
from amocrm_warehouse.report.page_queries import needs
from amocrm_warehouse.report.report_words import Words
from source_amocrm import atomic_file

SHEETS: dict[str, list[str]] = {
    "today": [
        "card", "why", "text", "manager", "pipeline_name", "stage", "budget", "since_at_local", "days", "usual_days",
    ],
    "forecast": [
        "pipeline_name", "months_back", "month", "expected", "low", "high", "sold_so_far", "from_open", "from_new",
        "sold",
    ],
    "money": ["month", "won", "won_budget", "lost", "rate", "average"],
    "managers": ["manager", "won", "won_budget", "lost", "rate", "average", "overdue", "stale"],
    "funnel": ["pipeline_name", "stage", "deals", "reached", "lost_here"],
    "reasons": ["reason", "deals", "lost_budget"],
    "sources": ["source", "deals", "won", "source_rate", "won_budget"],
    "stuck": ["pipeline_name", "stage", "deals", "budget"],
    "stale": [
        "deal", "manager", "pipeline_name", "stage", "budget", "days_without_activity", "open_tasks",
    ],
    "talks": ["manager", "talks", "first_response", "unanswered"],
    "work": ["manager", "calls_out", "calls_in", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done"],
}  # fmt: skip
TOTALS = {
    "money": {"won", "won_budget", "lost"}, "managers": {"won", "won_budget", "lost", "overdue", "stale"},
    "reasons": {"deals", "lost_budget"}, "sources": {"deals", "won", "won_budget"}, "stuck": {"deals", "budget"},
    "talks": {"talks", "unanswered"},
    "work": {"calls_out", "calls_in", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done"},
}  # fmt: skip
HEADS = {"pipeline_name": "filter.scope", "project_id": "column.account"}
SHARES = metrics_in("percent")
SHEET_ROWS = 10_000
"""The most rows of a sheet, which are its first: in lists of cards those of the highest budgets."""
PATHS = {"deal": "leads", "contact": "contacts", "company": "companies", "customer": "customers"}


def link(domain: str | None, kind: str | None, number: int | None) -> str | None:
    """Returns a card's address in amoCRM."""
    return f"https://{domain}/{PATHS[kind]}/detail/{number}" if domain and kind in PATHS and number else None


def write(path: Path, run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = ()) -> None:
    """Replaces the file as a whole. A sentence stands in place of a sheet of `unbuilt` models.

    Raises ValueError if the file cannot be written.
    """
    book = content(run, choice, words, unbuilt)
    try:
        atomic_file.write(path, book)  # for its owner alone, since customers' names are in it
    except OSError as error:
        raise ValueError(f"The workbook {path} cannot be written: {error.strerror}. Name another file.") from None


def content(run: Run, choice: Choice, words: Words, unbuilt: Collection[str]) -> bytes:
    accounts = {row["project_id"]: row for row in answer(run, "accounts", choice).dicts()}
    file = BytesIO()
    book = xlsxwriter.Workbook(file, {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True})
    front = book.add_worksheet(words("xlsx.definitions"))
    lines = [[words("title"), ", ".join(row["account"] or project for project, row in accounts.items())]]
    lines.append([words("filter.period"), f"{words.month(choice.since)} – {words.month(choice.until)}"])
    for name, columns in SHEETS.items():
        if name == "forecast" and choice.users is not None:
            continue
        title, own = words(f"{name}.title"), columns if len(accounts) == 1 else ["project_id", *columns]
        if missing := sorted(needs(ANSWERS[name]) & set(unbuilt)):
            lines += [[], [title, words("digest.unbuilt", models=", ".join(missing))]]
            continue
        sheet(book.add_worksheet(title), book, name, answer(run, name, choice), own, words, accounts)
        lines += [[], [title, words(f"{name}.lead")]]
        lines += [["", head(column, words), meaning] for column in columns if (meaning := words.of_column(column))]
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    for column, width in enumerate((28, 60, 80)):
        front.set_column(column, column, width, wrap)
    for at, row in enumerate(lines):
        for column, text in enumerate(row):
            front.write_string(at, column, text)
    book.close()
    return file.getvalue()


def head(column: str, words: Words) -> str:
    return words(HEADS.get(column, f"column.{column}"))


def sheet(
    page: Any,
    book: Any,
    name: str,
    table: AnswerTable,
    columns: list[str],
    words: Words,
    accounts: dict[str, dict[str, Any]],
) -> None:
    """Writes one table of Excel, under the names of the page, with a filter at each column."""
    rows = table.dicts()[:SHEET_ROWS]
    formats = {
        "money": book.add_format({"num_format": "#,##0"}), "share": book.add_format({"num_format": "0.0%"}),
        "day": book.add_format({"num_format": "yyyy-mm-dd"}), "duration": book.add_format({"num_format": "[h]:mm"}),
        "moment": book.add_format({"num_format": "yyyy-mm-dd hh:mm"}), "link": book.get_default_url_format(),
    }  # fmt: skip
    totals = TOTALS.get(name, set())
    heads = []
    for column in columns:
        made: dict[str, Any] = {"header": head(column, words)}
        if column in totals and not (rows and all(row[column] is None for row in rows)):
            value = sum((row[column] or 0 for row in rows), 0)
            made |= {"total_function": "sum", "total_value": float(value) / (86_400 if column == "talk_seconds" else 1)}
            kind = "money" if column in MONEY else "duration" if column == "talk_seconds" else None
            made["format"] = kind and formats[kind]
        heads.append(made)
    if totals:
        heads[0]["total_string"] = words("total")
    last = max(len(rows), 1) + (1 if totals else 0)
    page.add_table(0, 0, last, len(columns) - 1, {"columns": heads, "total_row": bool(totals), "name": f"t_{name}"})
    page.freeze_panes(1, 1)
    for at, row in enumerate(rows, 1):
        domain = accounts.get(row["project_id"], {}).get("domain")
        for position, column in enumerate(columns):
            value = row[column]
            url = link(domain, row.get("entity_type", "deal"), row.get("entity_id") or row.get("deal_id"))
            if column in ("card", "deal") and url:
                page.write_url(at, position, url, formats["link"], str(value or url)[:200])
            elif column == "why":
                page.write_string(at, position, words(f"today.{value}"))
            else:
                put(page, at, position, column, value, formats)
    for position, column in enumerate(columns):
        page.set_column(position, position, 34 if column in ("card", "deal", "text", "reason", "source") else 18)


def put(page: Any, at: int, position: int, column: str, value: Any, formats: dict[str, Any]) -> None:
    """Writes a value in its own type; a text is never a formula."""
    if value is None:
        return
    if isinstance(value, datetime):
        page.write_datetime(at, position, value, formats["moment"])
    elif isinstance(value, date):
        page.write_datetime(at, position, value, formats["day"])
    elif isinstance(value, str):
        page.write_string(at, position, value[:32_000])
    elif column == "talk_seconds":
        page.write_number(at, position, float(value) / 86_400, formats["duration"])
    else:
        kind = formats["share"] if column in SHARES else formats["money"] if column in MONEY else None
        page.write_number(at, position, float(value), kind)
