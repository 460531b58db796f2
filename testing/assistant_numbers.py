"""Compares every tool of the assistant with the account's own rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from amocrm_warehouse.assistant.answer_rows import SPEEDS, WEEKDAYS
from amocrm_warehouse.assistant.assistant_queries import AGES, COHORT_MONTHS
from amocrm_warehouse.report.like_with_like import percents, rounded

from .assistant import ask
from .expected import marts as oracle
from .expected.marts import ahead
from .expected.marts import page as expected_page
from .expected.marts.ahead import contains
from .expected.marts.deals import deal_history, deals
from .expected.marts.known import grouped
from .expected.marts.page import Choice, is_activity_known
from .models import Row
from .report_numbers import answers, as_text, lives_of, plain, same

MUCH = {"limit": 500, "kilobytes": 400}
PLAIN = {
    ("sales", "managers"): "managers", ("funnel", "reasons"): "reasons", ("sources", "sources"): "sources",
    ("what_moved", "stages"): "stuck", ("queue", "stale"): "stale", ("forecast", "forecast"): "forecast",
    ("incoming", "talks"): "talks", ("activity", "managers"): "work", ("funnel", "stages"): "funnel",
    ("what_moved", "moved"): "moved", ("sources", "customers"): "repeat", ("sources", "goods"): "goods",
}  # fmt: skip
"""Tables of the assistant's answers that the workbook has, too."""
SHARES = ("rate", "source_rate")


def told(columns: Iterable[str], row: Iterable[Any]) -> Row:
    """Returns an expected row as the assistant is told: shares as percents, the average as a whole number."""
    found: Row = {}
    for column, value in zip(columns, row, strict=True):
        if column in SHARES:
            found[f"{column}_percent"] = value if value is None else float(percents(value))
        else:
            found[column] = rounded(value) if column == "average" and value is not None else as_text(value)
    return found


def check_rows(rows: list[Row], name: str, choice: Choice, limit: int | None = None) -> None:
    """Asserts that rows are those of a table of the workbook, in every column that both have.

    Of what moved, without pipelines and managers whose numbers are all zero.
    """
    columns, wanted = answers(choice)[name]
    if name == "moved":
        wanted = [row for row in wanted if any(row[4:]) or row[-1] is None]
    expected = [told(columns, row) for row in wanted]
    assert len(rows) == len(expected[:limit]), name
    if rows:
        shown = [column for column in expected[0] if column in rows[0]]
        assert len(shown) > 1
        assert same([[row[one] for one in shown] for row in rows], [[row[one] for one in shown] for row in expected])


def check_cards(cards: list[Row], choice: Choice, limit: int | None = None) -> None:
    """Asserts that each card stands once, with all of its reasons, the highest budgets first."""
    columns, wanted = answers(choice)["today"]
    expected: dict[Any, list[Row]] = {}
    for row in (told(columns, one) for one in wanted):
        expected.setdefault((row["entity_type"], row["entity_id"] or id(row)), []).append(row)
    assert len(cards) == len(list(expected.values())[:limit])
    budgets = [card["budget"] or 0 for card in cards]
    assert budgets == sorted(budgets, reverse=True)
    of_card, of_reason = ("card", "link", "pipeline_name", "stage", "budget"), ("why", "manager", "days", "usual_days")
    if limit is None:
        assert same(
            [[*(card[one] for one in of_card), *(why.get(one) for one in of_reason), why.get("since")]
             for card in cards for why in card["reasons"]],
            [[*(row[one] for one in (*of_card, *of_reason)), row["since_at_local"]]
             for of in expected.values() for row in of],
        )  # fmt: skip


def check_queue(cards: list[Row], choice: Choice, limit: int | None = None) -> None:
    """Asserts that the assistant's queue is that of the workbook, in its order, each reason by itself."""
    columns, wanted = answers(choice)["queue"]
    shown = ("manager", "place", "card", "pipeline_name", "stage", "budget", "working_minutes", "days", "link")
    expected = [dict(zip(columns, row, strict=True)) for row in wanted[:limit]]
    assert plain([[*(card.get(one) for one in shown), " ".join(card["reasons"])] for card in cards]) == plain(
        [[*(row[one] for one in shown), row["why"]] for row in expected]
    )


def check_assistant(database: str, known: oracle.Known, choice: Choice, **chosen: Any) -> None:
    """Asserts that the tools of `source-amocrm mcp` answer what the account holds. `chosen`: their arguments."""
    chosen["project"] = known.project
    days = {name: chosen[name] for name in ("since", "until") if name in chosen}
    now = {name: value for name, value in chosen.items() if name not in days}
    everything = Choice((known,), choice.first, choice.last)
    people = list(choice.users or known.by("users", "user_id"))[:2] if choice.pipeline is None else []
    spans = {deal: rows for (deal,), rows in grouped(deal_history(known), lambda row: (row["deal_id"],)).items()}
    now_local = known.local(known.now)
    assert now_local
    moments = [(deal, at) for deal, at in deal_moments(spans) if at is None or at <= now_local]
    of_now, of_days = {**now, **MUCH}, {**chosen, **MUCH}
    of_everybody = {name: value for name, value in of_now.items() if name != "manager"}
    of_all_pipelines = {name: value for name, value in of_days.items() if name != "pipeline"}
    arguments = {"queue": of_now, "plan": of_all_pipelines}
    names = ["sales", "compare_periods", "plan", "what_moved", "funnel", "sources", "incoming", "activity", "queue"]
    calls = [
        *((name, arguments.get(name, of_days)) for name in names),
        ("plan", of_everybody | {"show": ["forecast"]}),
        ("directory", {"project": known.project, **MUCH}),
        *(("manager", {"project": known.project, **days, "manager": user, "limit": 10, "kilobytes": 400})
          for user in people),
        *(("card", {"project": known.project, "id": deal, **({"at": at.isoformat()} if at else {})} | MUCH)
          for deal, at in moments),
    ]  # fmt: skip
    replies = ask(database, *calls)
    for (name, _), answer in zip(calls, replies, strict=True):
        assert isinstance(answer, dict), (name, answer)
        check_coverage(answer, known)
    found = dict(zip([*names, "forecast"], replies, strict=False))
    for (tool, table), name in PLAIN.items():
        if name == "stale" and not is_activity_known(known):
            assert found[tool]["covers"]["missing"][table].startswith("It is not known: these tables were not read: ")
            continue
        of = replace(choice, users=None) if name == "forecast" else choice
        check_rows(found[tool][table], name, of)
    check_rows(found["sales"]["total"], "figures", choice)
    check_rows(found["sales"]["months"], "money", choice)
    check_rows(found["funnel"]["months"], "reasons_by_month", choice)
    check_rows(found["incoming"]["calls"], "calls", choice)
    speeds = [row | {"speed": (*SPEEDS, "not_touched_yet").index(row["speed"])} for row in found["incoming"]["speed"]]
    columns, wanted = answers(choice)["speed"]
    told_speeds = [told(columns, [len(SPEEDS) if speed is None else speed, *row]) for speed, *row in wanted]
    assert same([[row[one] for one in row if one in told_speeds[0]] for row in speeds], list(map(list_of, told_speeds)))
    new = {row["weekday"]: row["by_hour"] for row in found["incoming"]["new_deals"]}
    assert new == {
        WEEKDAYS[day]: {str(hour): count for hour, count in enumerate(counts) if count}
        for day, *counts, total in expected_page.created_by_hour(choice)
        if total
    }
    check_cards(found["queue"]["cards"], choice)
    check_rows(found["queue"]["total"], "reasons_today", choice)
    check_rows(found["queue"]["total"], "dead", choice)
    check_queue(found["queue"]["queue"], choice)
    check_rows(found["queue"]["dead"], "dead", choice)
    check_more(found, known, choice)
    rest = iter(replies[len(names) + 1 :])
    lists = next(rest)
    for name in ("accounts", "pipelines", "people"):
        check_rows(lists[name], name, everything)
    for user in people:
        card, of_user = next(rest), replace(everything, users=frozenset({user}))
        check_rows(card["sales"], "managers", of_user, 10)
        check_rows(card["activity"], "work", of_user, 10)
        check_rows(card["waiting"], "reasons_today", of_user)
        check_cards(card["cards"], of_user, 10)
        check_queue(card["queue"], of_user, 10)
    for (deal, at), answer in zip(moments, rest, strict=True):
        history = [row for row in spans[deal] if at is None or contains(row, at)]
        name = next(one["name"] for one in deals(known) if one["deal_id"] == deal)
        wanted = [{**row, "deal": name, "currency": known.currency} for row in history]
        for row, held in zip(answer["history"], wanted, strict=True):
            shown = [column for column in held if column not in ("from_at", "to_at")]
            assert plain({one: row[one] for one in shown}) == plain({one: as_text(held[one]) for one in shown})


def list_of(row: Row) -> list[Any]:
    return list(row.values())


def deal_moments(spans: Mapping[int, list[Row]]) -> list[tuple[int, datetime | None]]:
    """Returns the deal that moved most and one that is gone, at all times, at a change and a second before it."""
    moved = max(sorted(spans), key=lambda deal: len(spans[deal]), default=None)
    gone = next((deal for deal in sorted(spans) if spans[deal][-1]["to_at"] is not None), None)
    moments: list[tuple[int, datetime | None]] = []
    for deal, end in ((moved, "from_at_local"), (gone, "to_at_local")):
        if deal is not None:
            moment = spans[deal][-1][end]
            moments += [(deal, at) for at in (None, moment, moment - timedelta(seconds=1))]
    return moments


def check_coverage(answer: Row, known: oracle.Known) -> None:
    """Asserts that an answer begins with what it covers."""
    covers = answer["covers"]
    assert next(iter(answer)) == "covers"
    [account] = covers["accounts"]
    today = expected_page.day_of(Choice((known,), known.now.date(), known.now.date())).isoformat()
    assert (account["project_id"], account["today"]) == (known.project, today)
    assert account["as_of"].endswith(known.zone.key)
    assert covers["currency"] == (known.currency or f"unknown ({known.project})")
    shown = {name: len(table) for name, table in answer.items() if name != "covers"}
    assert {name: int(rows.partition(" ")[0]) for name, rows in covers["rows"].items()} == shown


def percent(share: float | Decimal | None) -> float | None:
    return None if share is None else float(percents(share))


def check_more(found: Mapping[str, Row], known: oracle.Known, choice: Choice) -> None:
    """Asserts what the assistant is told beyond the workbook: stages, ages, cohorts, hours, channels, plan, pace."""
    stages = [
        [of.name, stage, reached, percent(before), percent(share), lost, percent(lost_share), half, still]
        for of in expected_page.funnel(choice)
        for stage, reached, before, share, lost, lost_share, half, still in of.rows
    ]
    columns = ("pipeline_name", "stage", "reached", "from_previous_percent", "from_all_percent", "lost_here",
               "lost_here_percent", "half_leave_within_days", "still_there")  # fmt: skip
    assert same([[row[one] for one in columns] for row in found["funnel"]["stages"]], stages)
    ages = (*AGES, "age_unknown")
    for row in found["what_moved"]["stages"]:
        assert sum(row[age] for age in ages) == row["deals"]
    shown = [[row["pipeline_name"], row["stage"], *(row[age] for age in ages if row[age])]
             for row in found["what_moved"]["stages"]]  # fmt: skip
    wanted = [[of.name, row[0], *(count for count in row[1:-2] if count)] for of in expected_page.stuck(choice)
              for row in of.rows]  # fmt: skip
    assert same(shown, wanted)
    cohorts = ("month", "deals", "won_of_created", "won_of_created_budget",
               *(f"won_within_{months}_months_percent" for months in COHORT_MONTHS))  # fmt: skip
    assert same(
        [[row[one] for one in cohorts] for row in found["funnel"]["cohorts"]],
        [[f"{month}-01", *counts, *map(percent, shares)] for month, *rest in expected_page.cohorts(choice)
         for counts, shares in [(rest[:3], rest[3:])]],
    )  # fmt: skip
    by_channel = expected_page.talks_by(choice, lambda _, talk: talk["channel"])
    assert same([list(row.values())[1:] for row in found["incoming"]["channels"]], by_channel)
    by_hour = expected_page.talks_by_hour(choice)
    assert same([list(row.values())[1:] for row in found["incoming"]["hours"]], by_hour)
    if choice.first.day == 1 and (choice.last + timedelta(days=1)).day == 1:  # the oracle counts whole months
        hours = {WEEKDAYS[day]: {str(hour): count for hour, count in enumerate(counts) if count}
                 for day, *counts, _ in expected_page.hours(choice)}  # fmt: skip
        assert {row["weekday"]: row["by_hour"] for row in found["activity"]["weekdays"]} == {
            day: counts for day, counts in hours.items() if counts
        }
    check_at_once(found["activity"]["at_once"], choice)
    check_comparison(found["compare_periods"], choice)
    check_lately(found["sales"]["lately"], choice)
    check_in_work(found, choice)
    check_plan(found["plan"], known, choice)
    check_incoming(found["incoming"], known, choice)


def check_at_once(rows: list[Row], choice: Choice) -> None:
    """Asserts the mass changes, the news before the habit."""
    wanted = [*expected_page.at_once(choice), *expected_page.at_once(choice, is_news=False)]
    shown = ("manager", "changed_cards", "from_to", "money")
    assert same([[row[one] for one in shown] for row in rows], [[row[1], *row[3:]] for row in wanted])
    assert [row["is_news"] for row in rows] == sorted((row["is_news"] for row in rows), reverse=True)


def check_lately(rows: list[Row], choice: Choice) -> None:
    """Asserts the present month (in its first days after the one that ended), the last day of work and last week."""
    whole, today = expected_page.whole_month(choice), expected_page.day_of(choice)
    spans = [("this_month", whole), *zip(("day", "week"), expected_page.near(choice), strict=True)]
    if today.day <= 5:
        ended = whole.first - timedelta(days=1)
        spans.insert(0, ("last_month", replace(choice, first=ended.replace(day=1), last=ended)))
    assert [row["days"] for row in rows] == [name for name, _ in spans]
    for row, (_, of) in zip(rows, spans, strict=True):
        last = min(of.last, today)
        then = expected_page.before(replace(of, last=last), date.min)
        assert then is not None
        wanted = expected_page.of_month(of) | {
            "since": of.first.isoformat(), "until": last.isoformat(),
            "won_budget_before": expected_page.of_month(then)["won_budget"],
        }  # fmt: skip
        del wanted["first_touch"]
        assert plain({name: row[name] for name in wanted}) == plain(wanted), row["days"]


def check_in_work(found: Mapping[str, Row], choice: Choice) -> None:
    """Asserts that open deals are told live and dead apart, beside what the plan lacks."""
    names = ("live", "live_budget", "dead", "dead_budget")
    is_known = all(map(is_activity_known, choice.known))
    wanted = lives_of(choice) if is_known else [None] * 4
    for row in found["what_moved"]["open"]:
        assert plain([row[name] for name in names]) == plain(wanted)
    for row in [row for row in found["plan"]["pace"] if row["manager"] == "*" and choice.pipeline is None]:
        assert plain([row[name] for name in names]) == plain(wanted)
        left = row["left_to_sell"]
        covers = percent(float(wanted[1] or 0) / left) if is_known and left else None
        assert row["live_of_left_percent"] == covers


def check_comparison(answer: Row, choice: Choice) -> None:
    today = expected_page.day_of(choice)
    then = expected_page.before(replace(choice, last=min(choice.last, today)), date.min)
    assert then is not None
    first, last = then.first, then.last
    covered = answer["covers"]["compared_with"]
    assert (covered["since"], covered["until"]) == (first.isoformat(), last.isoformat())
    now, before = expected_page.figures(choice), expected_page.figures(then)
    rows = {row["figure"]: row for row in answer["figures"]}
    for name in ("created", "won", "won_budget", "days_to_win"):
        assert plain([rows[name]["now"], rows[name]["before"]]) == plain([now[name], before[name]]), name
    assert [rows["rate"]["now_percent"], rows["rate"]["before_percent"]] == [
        percent(now["rate"]), percent(before["rate"])
    ]  # fmt: skip
    cases, cases_before = expected_page.cases(choice), expected_page.cases(then)
    for name, row in rows.items():
        assert (row["cases"], row["cases_before"]) == (cases[name], cases_before[name]), name
        told = expected_page.is_comparable(name, cases[name], cases_before[name])
        assert told or (row.get("change_percent"), row.get("change_points")) == (None, None), name
        assert not told or not row.get("before") or row["change_percent"] is not None, name
    for row in answer["managers"]:
        told = row["won_before"] >= expected_page.FEW and row["won_budget_before"]
        assert (row["won_budget_change_percent"] is not None) == bool(told)
    for row in answer["causes"]:
        of_number, of_average, change = (
            float(row[name]) for name in ("of_number_of_sales", "of_average_sale", "won_budget_change")
        )
        assert of_number + of_average == pytest.approx(change)
    both = [sum(row[one] for row in answer["managers"]) for one in ("won_budget", "won_budget_before")]
    if answer["covers"]["rows"]["managers"].startswith(f"{len(answer['managers'])} of"):
        assert plain(both) == plain([now["won_budget"], before["won_budget"]])


def check_plan(answer: Row, known: oracle.Known, choice: Choice) -> None:
    plans = {
        (f"{month}-01", user): plan
        for (month, user), plan in known.plans.items()
        if f"{choice.first:%Y-%m-%d}" <= f"{month}-01" <= f"{choice.last:%Y-%m-%d}" and choice.fits(None, user)
    }
    rows = {(row["month"], row["user_id"]): row["plan"] for row in answer["managers"]}
    if choice.pipeline is None:
        assert plain(list(rows.values())) == plain([plans[key] for key in rows])
        assert rows.keys() == plans.keys()


def check_incoming(answer: Row, known: oracle.Known, choice: Choice) -> None:
    rows = answer["managers"]
    unread = {one["table"] for one in answer["covers"].get("not_read", ())}
    assert unread == {"messages", "talks", "calls", "users"} & known.absent
    talks = [talk for _, talk in expected_page.talks(choice)]
    assert sum(row["talks"] or 0 for row in rows) == len(talks)
    assert sum(row["answered"] or 0 for row in rows) == sum(talk["answered_by"] == "person" for talk in talks)
    assert sum(row["new_deals"] for row in rows) == len(choice.created())
    waiting = [row for row in ahead.today(known) if row["reason"] == "waiting"]
    fitting = [row for row in waiting if choice.fits(row["pipeline_id"], row["responsible_user_id"])]
    assert sum(row["waiting_now"] or 0 for row in rows) == len(fitting)
