"""Three questions of a head of sales, asked by the official client, each answered in at most three calls.

The account is the one of `make demo`: two months that were played after its generated history.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sandbox import NOW, Account, ManualClock, story
from testing import models
from testing.assistant import ask
from testing.expected import marts as oracle

MOSCOW = ZoneInfo("Europe/Moscow")
LAST, BEFORE = "2026-08", "2026-07"


@pytest.fixture(scope="module")
def account() -> Account:
    made = Account.generate(2, 60, clock=ManualClock(story.first_day(NOW, "Europe/Moscow")))
    story.play(made, NOW)
    return made


@pytest.fixture(scope="module")
def database(account: Account, tmp_path_factory: pytest.TempPathFactory) -> str:
    known = oracle.Known("1001", MOSCOW, oracle.at_second(NOW), marks=True, texts=True)
    known.read(account)
    file = str(tmp_path_factory.mktemp("conversations") / "crm.duckdb")
    models.store(file, "1001", {name: list(rows.values()) for name, rows in known.rows.items()}, "duckdb")
    models.build(file, "--now", known.now.isoformat())
    return file


def month_of(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, MOSCOW):%Y-%m}"


def test_who_handles_incoming_worst(account: Account, database: str) -> None:
    """«Кто из менеджеров хуже всех обрабатывает входящие?»: one call names a person by each measure, and the cases."""
    [answer] = ask(database, ("incoming", {"period": "last_month"}))
    assert (answer["covers"]["period"]["since"], answer["covers"]["period"]["until"]) == ("2026-08-01", "2026-08-31")
    calls: Counter[Any] = Counter()
    for row in account.tables["leads/notes"].rows.values():
        if row["note_type"] == "call_in" and month_of(row["created_at"]) == LAST:
            calls[row["params"].get("call_responsible"), row["params"].get("duration") == 0] += 1
    slow = list(account.users)[story.SLOW]
    missed, all_calls = calls[slow, True], calls[slow, True] + calls[slow, False]
    worst = {row["measure"]: row for row in answer["worst"]}
    for measure in ("first_response", "not_answered_share", "missed_share"):
        assert worst[measure]["manager"] == account.users[slow]["name"], measure
    assert (worst["missed_share"]["cases"], worst["missed_share"]["missed_percent"]) == (
        all_calls, round(100 * missed / all_calls)
    )  # fmt: skip
    row = next(row for row in answer["managers"] if row["user_id"] == slow)
    assert (row["calls_in"], row["missed_calls"]) == (all_calls, missed)
    assert worst["first_response"]["first_response"] > 100 > worst["first_response"]["median_of_people_first_response"]


def test_why_sales_fell_last_month(account: Account, database: str) -> None:
    """«Почему упали продажи в прошлом месяце?»: how much, because of whom and of what, and which deals there were."""
    [compared, before] = ask(
        database,
        ("compare_periods", {"period": "last_month"}),
        ("deals", {"state": "won", "period": BEFORE, "manager": account.users[next(iter(account.users))]["name"]}),
    )
    sold: Counter[Any] = Counter()
    for row in account.tables["leads"].rows.values():
        if row["status_id"] == 142 and row["closed_at"]:
            sold[month_of(row["closed_at"]), row["responsible_user_id"]] += row["price"]
    totals = {month: sum(money for (of, _), money in sold.items() if of == month) for month in (LAST, BEFORE)}
    [money] = [row for row in compared["figures"] if row["figure"] == "won_budget"]
    assert (money["now"], money["before"]) == (totals[LAST], totals[BEFORE])
    assert totals[LAST] < totals[BEFORE]
    assert compared["covers"]["compared_with"] == {"since": "2026-07-01", "until": "2026-07-31"}
    fell = compared["managers"][0]
    first = next(iter(account.users))
    assert (fell["manager"], fell["won_budget_change"]) == (
        account.users[first]["name"], sold[LAST, first] - sold[BEFORE, first]
    )  # fmt: skip
    [cause] = compared["causes"]
    assert cause["won_budget_change"] == totals[LAST] - totals[BEFORE]
    assert cause["of_number_of_sales"] + cause["of_average_sale"] == cause["won_budget_change"]
    assert cause["of_number_of_sales"] < 0
    assert sum(row["budget"] for row in before["deals"]) == sold[BEFORE, first]
    assert all(row["link"].startswith("https://example.amocrm.ru/leads/detail/") for row in before["deals"])


def test_what_to_do_today(account: Account, database: str) -> None:
    """«Что сделать сегодня?»: each card once, with its link and reasons; then the list of one person."""
    [everybody] = ask(database, ("today", {}))
    [cards, total] = everybody["cards"], everybody["total"][0]
    assert len({card["link"] for card in cards}) == len(cards) == 20
    assert everybody["covers"]["rows"]["cards"] == f"20 of {total['cards']}"
    assert sum(row["cards"] for row in everybody["managers"]) >= total["cards"]
    assert cards[0]["budget"] == max(card["budget"] for card in cards)
    assert all(reason["manager"] for card in cards for reason in card["reasons"])
    slow = account.users[list(account.users)[story.SLOW]]["name"]
    [own] = ask(database, ("today", {"manager": slow, "limit": 100}))
    waits = [card for card in own["cards"] if any(reason["why"] == "waiting" for reason in card["reasons"])]
    assert len(waits) == own["total"][0]["waiting"] > 0
    assert next(row for row in everybody["managers"] if row["manager"] == slow)["waiting"] == len(waits)
