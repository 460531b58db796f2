"""The report's words in one of its two languages."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from amocrm_warehouse.report.choice import Marks
from amocrm_warehouse.report.like_with_like import percents, rounded
from amocrm_warehouse.report.metrics import METRICS

FOLDER = Path(__file__).resolve().parent
LANGUAGES = ("en", "ru")
SIGNS = {"RUB": "₽", "USD": "$", "EUR": "€", "KZT": "₸", "UAH": "₴", "BYN": "Br"}
MONTH_NAMES = {
    "en": ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December"],
    "ru": ["январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь",
           "декабрь"],
}  # fmt: skip


@cache
def texts() -> dict[str, list[str]]:
    """Returns English and Russian by key; each metric's name is `column.…`, its definition `means.…`."""
    of_metrics = {f"column.{name}": metric.name for name, metric in METRICS.items()}
    of_metrics |= {f"means.{name}": metric.means for name, metric in METRICS.items()}
    return _texts(FOLDER / "texts.yaml") | {key: text.split(" | ") for key, text in of_metrics.items()}


@cache
def _texts(path: Path) -> dict[str, list[str]]:
    found: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {key: text.split(" | ") for key, text in found.items()}


class Words:
    """Texts, numbers, money and months as the language writes them."""

    def __init__(self, language: str, stale_days: int = 14, dead_days: int = 90) -> None:
        """`stale_days`, `dead_days`: the vars of these names with which the models were built."""
        self.position = LANGUAGES.index(language)
        self.language = language
        self.days = {"stale_days": stale_days, "dead_days": dead_days}
        self.not_made: list[str] = []
        """Sentences about parts of the report that could not be made."""

    def __call__(self, key: str, **values: object) -> str:
        return texts()[key][self.position].format(**self.days, **values)

    def of_column(self, name: str) -> str | None:
        """Returns the definition of a metric, or the description of a column in columns.yaml."""
        found = texts().get(f"means.{name}") or _texts(FOLDER.parent / "dbt" / "columns.yaml").get(name)
        text = found[self.position] if found else None
        for name, days in self.days.items():
            text = text and text.replace(f"{{{name}}}", str(days))
        return text

    def number(self, value: float | Decimal | None, digits: int = 0) -> str:
        if value is None:
            return "–"
        text = f"{rounded(value, digits):,}"
        return text if self.language == "en" else text.replace(",", "\u00a0").replace(".", ",")

    def minutes(self, value: float | Decimal) -> str:
        """Returns minutes with one decimal below ten, else whole: a median of 3.5 is no 4, here or on the page."""
        shown = rounded(value, 1 if value < 10 else 0)
        return self.number(shown, 0 if shown == int(shown) else 1)

    def waited(self, working_minutes: int) -> str:
        """Returns a working time in minutes, or from an hour on in whole hours."""
        if working_minutes < 60:
            return self("waited.minutes", minutes=working_minutes)
        return self("waited.hours", hours=self.number(working_minutes // 60))

    def money(self, value: float | Decimal | None, currency: str | None) -> str:
        return (
            "–" if value is None else f"{self.number(value)}\u00a0{SIGNS.get(currency or '', currency or '')}".strip()
        )

    def percent(self, value: float | None) -> str:
        if value is None:
            return "–"
        shown = percents(value)
        return self.number(shown, 0 if shown == int(shown) else 1) + ("%" if self.language == "en" else "\u00a0%")

    def day(self, value: date) -> str:
        return value.isoformat() if self.language == "en" else f"{value:%d.%m.%Y}"

    def days_between(self, first: date, last: date) -> str:
        if first == last:
            return self.day(first)
        return self("period.days", first=self.day(first), last=self.day(last))

    def as_of(self, account: dict[str, Any], built_at: datetime) -> str:
        """Returns the sentence about the moment of an account's data: its last successful sync, or the build (UTC)."""
        key, moment = ("as_of", account["synced_at"]) if account["synced_at"] else ("built", built_at)
        key = "failed" if account["is_never_synced"] else key
        local = moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(account["time_zone"]))
        return self(key, time=f"{self.day(local.date())}, {local:%H:%M}")

    def manager(self, row: dict[str, Any], marks: Marks) -> str | None:
        """Returns the name of a row's user, with a word for the robot, and with what marks a user."""
        if row["user_id"] == 0:
            return self("user.robot")
        name = marks.manager(row)
        is_off = (row["project_id"], row["user_id"]) in marks.deactivated
        return f"{name} · {self('user.deactivated')}" if is_off else name

    def month(self, value: date) -> str:
        return f"{MONTH_NAMES[self.language][value.month - 1]} {value.year}"
