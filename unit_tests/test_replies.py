"""What an answer of the assistant says of itself, how numbers stand in it, and how it keeps its size."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amocrm_warehouse.assistant import answer_rows
from amocrm_warehouse.assistant.replies import compared_with, coverage, fitted, meanings, plain_row, size, unlike
from amocrm_warehouse.assistant.tool_arguments import ALL_DAYS, Chosen, Refused
from amocrm_warehouse.assistant.tools import SQL_TOOLS, TOOLS
from amocrm_warehouse.report.choice import Choice, Days, last_months
from amocrm_warehouse.report.page_queries import MOVES
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.working_days import WorkingDays

MIDNIGHT = datetime(2026, 12, 31, 20, 30)
"""UTC: in Vladivostok it is the first of January already."""

WORKING = WorkingDays(())


def account(project: str, currency: str | None, zone: str, today: date) -> dict[str, Any]:
    return {
        "project_id": project, "account": f"Account {project}", "domain": None, "currency": currency,
        "time_zone": zone, "today": today, "synced_at": MIDNIGHT if currency else None,
        "is_never_synced": False,
    }  # fmt: skip


def test_accounts_have_each_their_own_today_and_their_own_months() -> None:
    rows = [("1", date(2026, 12, 31)), ("2", date(2027, 1, 1))]
    days = last_months(lambda _: (["project_id", "today"], rows)).days
    assert [(of.since, of.until) for of in days.values()] == [
        (date(2026, 1, 1), date(2026, 12, 31)), (date(2026, 2, 1), date(2027, 1, 31))
    ]  # fmt: skip


def test_an_answer_says_what_it_covers() -> None:
    west, east = date(2026, 12, 31), date(2027, 1, 1)
    accounts = [
        account("1", "BRL", "America/Sao_Paulo", west), account("2", None, "Asia/Vladivostok", east),
    ]  # fmt: skip
    days = {"1": Days(date(2026, 12, 1), west, west), "2": Days(date(2027, 1, 1), date(2027, 1, 31), east)}
    choice = Choice(days)
    of = Chosen(choice, accounts, {"team": ["Опт"]})
    found = coverage(
        TOOLS["compare_periods"], of, compared_with(choice, {}, WORKING), MIDNIGHT, {"2": date(2027, 1, 1)}
    )
    assert [one["as_of"] for one in found["accounts"]] == [
        "2026-12-31T17:30:00-03:00 America/Sao_Paulo",
        "unknown; the marts were built 2027-01-01T06:30:00+10:00 Asia/Vladivostok",
    ]
    assert found["period"]["by_project"] == {
        "1": {"since": "2026-12-01", "until": "2026-12-31", "is_over": False, "so_far_until": "2026-12-31"},
        "2": {"since": "2027-01-01", "until": "2027-01-31", "is_over": False, "so_far_until": "2027-01-01"},
    }
    assert found["compared_with"]["by_project"] == {
        "1": {"since": "2026-11-01", "until": "2026-11-30"},
        "2": {"since": "2026-12-01", "until": "2026-12-01", "no_data_before": "2027-01-01"},
    }  # fmt: skip
    assert (found["filters"], found["currency"]) == ({"team": ["Опт"]}, ["BRL", "unknown (2)"])
    assert found["currencies"].startswith("Sums are by currency")


def test_completeness_explains_its_columns_as_the_page_of_verify_does() -> None:
    """A stale row is no stale deal."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "verify.md").read_text(encoding="utf-8")
    tool = TOOLS["directory"]
    rows: dict[str, list[dict[str, Any]]] = {"completeness": [dict.fromkeys(tool.means, 0)]}
    found = meanings(rows, Words("en", stale_days=14, dead_days=90), tool.means)["means"]
    assert found.keys() == tool.means.keys()
    for name in ("missing", "extra", "stale", "changed_since"):
        means = re.sub(r"^Rows that (are )?|\.$", "", found[name])
        assert f"| `{name.replace('_', ' ')}` | {means} |" in page


def test_each_part_of_a_managers_card_says_by_which_day_it_is_counted() -> None:
    """As the tool of the same rows says it."""
    card, sales = TOOLS["manager"], TOOLS["sales"].dated
    assert isinstance(sales, dict)
    assert isinstance(card.dated, dict)
    assert card.dated.keys() == card.parts.keys() - {"beside_team"}
    for part, dated in (("sales", sales["managers"]), ("activity", TOOLS["activity"].dated),
                        ("incoming", TOOLS["incoming"].dated)):  # fmt: skip
        assert card.dated[part] == dated
    days = {"1": Days(date(2026, 12, 1), date(2026, 12, 5), date(2026, 12, 31))}
    covered = coverage(card, Chosen(Choice(days), [account("1", "BRL", "UTC", date(2026, 12, 31))]), None, MIDNIGHT, {})
    assert covered["period"]["counted_by"] == card.dated


def test_all_times_are_no_days_that_nobody_lived() -> None:
    today = date(2026, 11, 29)
    of = Chosen(Choice({"1": Days(*ALL_DAYS, today)}), [account("1", "BRL", "UTC", today)])
    assert coverage(TOOLS["activity"], of, None, MIDNIGHT, {})["period"] == {
        "days": "all days", "so_far_until": "2026-11-29", "counted_by": TOOLS["activity"].dated
    }  # fmt: skip


def test_nothing_is_before_all_times() -> None:
    choice = Choice({"1": Days(*ALL_DAYS, date(2026, 11, 29))})
    with pytest.raises(Refused, match="Nothing is before these days"):
        compared_with(choice, {}, WORKING)


def test_days_to_compare_with_have_two_ends() -> None:
    choice = Choice({"1": Days(date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 29))})
    with pytest.raises(Refused, match="Give both before_since and before_until, or neither"):
        compared_with(choice, {"before_since": date(2026, 1, 1)}, WORKING)
    asked = {"before_since": date(2025, 10, 1), "before_until": date(2025, 10, 31)}
    found = compared_with(choice, asked, WORKING)
    assert found.days["1"] == Days(date(2025, 10, 1), date(2025, 10, 31), date(2026, 11, 29))


@pytest.mark.parametrize(
    ("days", "before", "lengths"),
    [
        (("2026-11-01", "2026-11-30"), ("2026-11-15", "2026-11-20"), (29, 6)),
        (("2026-10-01", "2026-10-31"), ("2026-02-01", "2026-02-28"), None),
        (("2026-07-01", "2026-09-30"), ("2026-10-01", "2026-10-31"), (92, 31)),
        (("2026-11-09", "2026-11-15"), ("2026-11-02", "2026-11-08"), None),
    ],
)  # fmt: skip
def test_days_of_other_lengths_are_said_to_be_unlike(
    days: tuple[str, str], before: tuple[str, str], lengths: tuple[int, int] | None
) -> None:
    """Whole months are alike, whatever their lengths; of a period that is not over, its days up to today count."""

    def choice(of: tuple[str, str]) -> Choice:
        first, last = map(date.fromisoformat, of)
        return Choice({"1": Days(first, last, date(2026, 11, 29))})

    said = unlike(choice(days), choice(before))
    assert [re.findall(r"\d+", sentence) for sentence in said] == ([list(map(str, lengths))] if lengths else [])


def test_a_number_that_json_cannot_hold_is_a_text() -> None:
    held = {"a": Decimal("12345678901234567890"), "b": float("inf"), "c": Decimal("NaN"), "d": Decimal(-7), "e": 1e17}
    assert plain_row(held) == {"a": "12345678901234567890", "b": "inf", "c": "NaN", "d": -7, "e": 10**17}


def test_shares_are_percents_as_the_page_shows_them_and_amounts_are_exact() -> None:
    row = {"rate": 0.9984, "lost_share": 0.0312, "average": 1234.5, "won_budget": Decimal("1234.50"), "since": date.min}
    assert plain_row(row) == {
        "rate_percent": 99, "lost_percent": 3.1, "average": 1235, "won_budget": 1234.5, "since": "0001-01-01"
    }  # fmt: skip


def test_an_answer_fits_and_says_how_much_of_it_is_shown() -> None:
    rows = [{"card": "Сделка", "number": number} for number in range(2_000)]
    few = [{"manager": "Анна"}]
    answer = fitted({"period": "now"}, {"cards": rows, "managers": few}, {"cards": 3_000, "managers": 1}, 40_000)
    assert 38_000 < size(answer) <= 40_000
    assert answer["managers"] == few
    assert answer["covers"]["rows"] == {"cards": f"{len(answer['cards'])} of 3000", "managers": "1 of 1"}
    assert answer["covers"]["cut"] == "Cut to 40 KB: ask for more kilobytes, or for less."
    assert answer["cards"] == rows[: len(answer["cards"])]
    assert "cut" not in fitted({}, {"managers": few}, {"managers": 1}, 40_000)["covers"]


def test_who_had_no_open_money_is_not_among_the_moves() -> None:
    """Where changes of budgets were not read, nobody knows what moved: such a row stays."""
    nothing = dict.fromkeys((*MOVES, "at_start", "at_end"), Decimal(0)) | {"manager": None}
    moved, unknown = nothing | {"left_lost": Decimal(5), "came_new": Decimal(5)}, dict.fromkeys(nothing)
    ask: Any = SimpleNamespace(rows=lambda name: {"moved": [nothing, moved, unknown]}[name], choice=Choice({}))
    assert answer_rows.moved(ask) == [moved, unknown]


def test_sql_says_all_that_it_reads() -> None:
    assert SQL_TOOLS["sql"].about.startswith(
        "One SELECT over the schemas amocrm_marts and amocrm_staging, and over any other table that this user of the "
        "database may read, as amocrm.amocrm_1001_deals; "
    )
