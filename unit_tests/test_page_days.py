"""The periods that the page offers on a day, and what it knows of the day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from amocrm_warehouse.report.page_days import EPOCH, day_facts, periods
from amocrm_warehouse.report.working_days import ONE_DAY, WorkingDays


def days_of(period: dict[str, Any]) -> tuple[date, date]:
    return date.fromordinal(EPOCH + period["first"]), date.fromordinal(EPOCH + period["last"])


def test_periods_of_now_come_first_and_each_part_of_the_data_has_its_own() -> None:
    """On the first of a quarter, a Wednesday, with data since November."""
    found = periods(date(2026, 4, 1), date(2025, 11, 1))
    by_id = {one["id"]: days_of(one) for one in found}
    assert len(by_id) == len(found)
    assert [one["id"] for one in found[:9]] == [
        "this_month", "this_week", "yesterday", "last_week", "last_month", "last_quarter", "all", "last12", "last3",
    ]  # fmt: skip
    assert by_id | {
        "this_month": (date(2026, 4, 1), date(2026, 4, 30)), "this_week": (date(2026, 3, 30), date(2026, 4, 5)),
        "yesterday": (date(2026, 3, 31), date(2026, 3, 31)), "last_week": (date(2026, 3, 23), date(2026, 3, 29)),
        "last_month": (date(2026, 3, 1), date(2026, 3, 31)), "last_quarter": (date(2026, 1, 1), date(2026, 3, 31)),
        "last12": (date(2025, 5, 1), date(2026, 4, 30)), "last3": (date(2026, 2, 1), date(2026, 4, 30)),
        "2026-03-30": (date(2026, 3, 30), date(2026, 4, 5)), "2026-02": (date(2026, 2, 1), date(2026, 2, 28)),
        "2026-Q2": (date(2026, 4, 1), date(2026, 6, 30)), "2025-Q4": (date(2025, 10, 1), date(2025, 12, 31)),
        "2025": (date(2025, 1, 1), date(2025, 12, 31)),
    } == by_id  # fmt: skip
    of = {group: [one["id"] for one in found if one["group"] == group] for group in ("month", "quarter", "year")}
    assert of == {
        "month": ["2026-04", "2026-03", "2026-02", "2026-01", "2025-12", "2025-11"],
        "quarter": ["2026-Q2", "2026-Q1", "2025-Q4"], "year": ["2026", "2025"],
    }  # fmt: skip
    weeks = [days_of(one) for one in found if one["kind"] == "week"]
    assert [first for first, _ in weeks] == [date(2026, 3, 30) - timedelta(weeks=back) for back in range(26)]
    assert {(last - first).days for first, last in weeks} == {6}
    assert [
        one["id"] for one in found if one["whole"] == (one["kind"] in ("this_week", "yesterday", "last_week", "week"))
    ] == []


def test_a_day_knows_its_part_of_the_month_by_days_of_work() -> None:
    """Without any known day of work, by the calendar."""
    day, all_days = date(2026, 4, 2), [date(2026, 2, 1) + at * ONE_DAY for at in range(90)]
    facts = day_facts(day, date(2026, 3, 1), WorkingDays(frozenset(one for one in all_days if one.weekday() < 5)))
    assert (facts["left"], len(facts["passed"])) == (21, 30)
    assert facts["passed"][:6] == [1 / 22, 2 / 22, 3 / 22, 3 / 22, 3 / 22, 4 / 22]
    assert facts["passed"][-1] == 1
    recent = {kind: tuple(date.fromordinal(EPOCH + one) for one in days) for kind, days in facts["recent"].items()}
    assert recent == {"day": (date(2026, 4, 1),) * 2, "week": (date(2026, 3, 23), date(2026, 3, 29))}
    assert date.fromordinal(EPOCH + facts["like_today"][1]) == date(2026, 3, 3)
    none = day_facts(day, date(2026, 3, 1), WorkingDays(frozenset()))
    assert (none["left"], none["passed"][:2]) == (1, [1 / 30, 2 / 30])
