"""Compares the numbers of the report, the workbook, the digest and the assistant with the accounts' own rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from amocrm_warehouse.report.page_days import day_facts, day_number
from amocrm_warehouse.report.working_days import WorkingDays

from . import expected, models, report_page
from .expected import marts as oracle
from .expected.marts import ahead
from .expected.marts import page as expected_page
from .expected.marts.deals import deals, kind
from .expected.marts.known import PARTS, amount
from .expected.marts.page import ACTIVITY, REASONS, Choice
from .expected.marts.sentences import LANGUAGES, Wording, sentences
from .expected.marts.totals import CROSSED, ended
from .models import Row
from .report_page import CHOOSE, SHOW, Report


def choose(page: Report, known: Mapping[str, oracle.Known], scope: str, kind: str, who: str = "") -> Choice:
    """Chooses a scope, the newest ended period of a kind, and people in the page. Returns the choice for the oracle."""
    if scope.endswith("/"):
        scope = next(value for value in page.options("scope") if value.startswith(scope))
    fitting = [value for value in page.options("period") if re.fullmatch(KINDS[kind], value)]
    chosen, users = "", None
    if who:
        page.script(CHOOSE, {"scope": scope})  # whose people are then offered
        chosen = next(value for value in page.options("who") if value.startswith(f"{scope.partition('/')[0]}/{who}"))
    page.choose(scope, fitting[:2][-1], chosen)
    if who:
        users = frozenset(page.script("return state.who.users"))
    project, _, pipeline = scope.partition("/")
    accounts = tuple(one for name, one in known.items() if project in ("", name))
    pipeline_id = int(pipeline) if pipeline else None
    return Choice(accounts, *page.chosen(), pipeline_id, users, reported=tuple(known.values()))


KINDS = {
    "all": "all", "last12": "last12", "last3": "last3", "month": r"\d{4}-\d\d", "quarter": r"\d{4}-Q\d",
    "year": r"\d{4}", "week": r"\d{4}-\d\d-\d\d",
}  # fmt: skip


def without_accounts(shown: Any, choice: Choice) -> Any:
    """Returns what sections show, with the bare names of deactivated people and of namesakes in other accounts."""
    if isinstance(shown, dict):
        return {name: without_accounts(part, choice) for name, part in shown.items()}
    if isinstance(shown, list):
        return [without_accounts(part, choice) for part in shown]
    shown = shown.replace(" · deactivated", "") if isinstance(shown, str) else shown
    names = {known.project: next(iter(known.all("account")), {}).get("name") or known.project for known in choice.known}
    accounts = [*names.values(), *(f"{name} ({project})" for project, name in names.items())]
    for account in sorted(accounts if len(names) > 1 and isinstance(shown, str) else [], key=len, reverse=True):
        shown = shown.replace(f" · {account}", "")
    return shown


def check_numbers(page: Report, choice: Choice) -> None:
    """Asserts that each figure and table of the page is what the accounts hold."""
    shown = without_accounts(page.sections(), choice)
    tables = {name: section["tables"] for name, section in shown.items()}
    for section in shown.values():
        for rows, foot in zip(section["tables"], section["totals"], strict=True):
            for index, total in enumerate(foot[0] if foot else ()):
                known_values = [row[index] for row in rows if row[index] is not None]
                assert not isinstance(total, float) or (known_values and total == pytest.approx(sum(known_values)))
    assert plain(page.figures()) == plain(expected_page.figures(choice))
    since = page.since()
    then = expected_page.before(choice, since)
    check_sentences(page, choice)
    shown_of_month = {name: value for name, value in page.figures("month").items() if value is not None}
    month, _ = expected_page.this_month(choice, since)
    assert plain(shown_of_month) == plain({name: value for name, value in month.items() if value is not None})
    by_day = page.script("return state.period.kind === 'week'")
    months = [[*row[:3], row[-1]] for row in rows_of(tables["money"])]
    assert plain(months) == plain(
        expected_page.money_by(choice, lambda day: f"{day:%Y-%m-%d}" if by_day else f"{day:%Y-%m}")
    )
    *queues, dead = [*by_pipeline(shown["queue"]), None] if not stale_of(choice) else by_pipeline(shown["queue"])
    assert same(queues, plain([list(one) for one in expected_page.queue(choice)]))
    if dead:
        told = Wording("en", choice.known[0].currency)
        deals_of, money_of = len(stale_of(choice)), told.money(expected_page.money(stale_of(choice)))
        title, rows = dead
        wanted = f"To clean up: {deals_of:,} deals for {money_of}"
        assert of_fourteen_digits([title]) == of_fourteen_digits([wanted])
        assert plain(rows) == plain(expected_page.dead_deals(choice))
    waiting = expected_page.today(choice)
    assert same(rows_of(tables["today"]), rows_of(waiting))
    assert same(rows_of(tables["forecast"]), expected_page.forecast(choice))
    assert same(rows_of(tables["talks"]), expected_page.all_talks(choice))
    assert by_pipeline(shown["funnel"]) == plain([[one.name, one.rows] for one in expected_page.funnel(choice)])
    assert same(rows_of(tables["managers"][1:]), expected_page.managers_beside(choice, then))
    beside = [rows for name, rows in by_pipeline(shown["sources"])[1:] if name != "Costs and ROMI"]
    assert same(rows_of(beside), expected_page.sources_beside(choice, then))
    assert same(rows_of(tables["cohorts"]), expected_page.cohorts(choice))
    people = [row[:3] + row[5:] if len(row) == 10 else row for row in rows_of(tables["managers"][:1])]
    assert same([row for row in people if any(row[1:])], [r for r in expected_page.managers(choice) if any(r[1:])])
    assert not by_day or all(len(row) == 8 for row in rows_of(tables["managers"][:1]))
    assert same(rows_of(tables["reasons"][:1]), expected_page.reasons(choice))
    check_new_sections(shown, choice, by_day)
    assert same([row[:7] for row in rows_of(tables["sources"][:1]) if row[1] or row[5]], expected_page.sources(choice))
    stuck = [[one.name, *row] for one in expected_page.stuck(choice) for row in one.rows]
    assert same([[name, *row] for name, rows in by_pipeline(shown["stuck"]) for row in rows], stuck)
    assert plain(rows_of(tables["stale"])) == plain(expected_page.stale(choice))
    assert rows_of(tables["hours"]) == plain(expected_page.hours(choice))
    assert same(rows_of(tables["work"]), [row[1:] for row in expected_page.work(choice)])
    check_at_once(shown["at_once"], choice)
    several = page.script("return TABLES.accounts.length > 1")
    # tables of parts keep values and links that a card no longer has, which the oracle does not count
    read = [row[several:] for row in rows_of(tables["freshness"]) if row[several] not in PARTS]
    read = [[name, count, deleted if count else None, newest] for name, count, deleted, newest in read]
    assert same(
        read,
        rows_of(
            [
                expected_page.freshness(
                    choice,
                    [
                        name
                        for name in page.script(
                            "return TABLES.freshness.filter((row) => row.is_there).map((row) => row.source_table)"
                        )
                        if name not in PARTS
                    ],
                )
            ]
        ),
    )


def check_at_once(shown: Mapping[str, Any], choice: Choice) -> None:
    """Asserts what one author changed in many cards at once: the news in a table, the habit in one line."""
    assert same(rows_of(shown["tables"]), expected_page.at_once(choice))
    habit = expected_page.at_once(choice, is_news=False)
    told = [note for note in shown["notes"] if note.startswith("By habit")]
    wanted = f"By habit, as on other days: mass changes {len(habit)}, cards {sum(row[3] for row in habit):,}"
    assert [note.partition(" (")[0] for note in told] == ([wanted] if habit else [])


SPEEDS = ("up to 5 min", "5–15 min", "15–60 min", "1–4 h", "later", "not touched")
CLIENTS = {False: "new", True: "repeat", None: "no contact, no company"}


def check_new_sections(shown: Mapping[str, Any], choice: Choice, by_day: bool) -> None:
    """Asserts the tables of incoming, of what moved, of losses by month, of new and repeat customers and of goods."""
    tables = {name: dict(by_pipeline(section)) for name, section in shown.items()}
    check_deals_that_came(shown, tables, choice, by_day)
    calls: dict[Any, list[Any]] = {}
    for user, name, *counts in expected_page.incoming_calls(choice):  # who has no id is one in the page
        own = calls.setdefault(None if user is None else (user, name), [0, 0, 0, 0, []])
        calls[None if user is None else (user, name)] = [one + other for one, other in zip(own, counts, strict=True)]
    assert same(
        tables["incoming"].get("Incoming calls", []),
        [[key and key[1], one, one - missed, missed, missed / one, back, expected_page.middle(minutes), soon]
         for key, (one, missed, back, soon, minutes) in calls.items()],
    )  # fmt: skip
    for title, column in (("By pipeline", 1), ("By manager", 3)):
        by = expected_page.moved_by(choice, column)
        sums = [sum(row[2 + place] for row in by) for place in range(len(expected_page.MOVES))]
        wanted = [
            [name, start, *(value for value, total in zip(moves, sums, strict=True) if total), end]
            for name, start, *moves, end in by
        ]
        found = tables["moved"].get(title, [])
        assert same(found, [row for row in wanted if any(row[1:])])
        for row in found:
            heads = [name for name, total in zip(expected_page.MOVES, sums, strict=True) if total]
            sign = {name: 1 if place < 5 else -1 for place, name in enumerate(expected_page.MOVES)}
            moves = sum(sign[name] * value for name, value in zip(heads, row[2:-1], strict=True))
            assert row[1] + moves == pytest.approx(row[-1], abs=0.01 + 1e-9 * max(map(abs, row[1:])))
    for title, is_purchase in (("In won deals", False), ("In purchases", True)):
        goods: dict[Any, list[Any]] = {}
        for name, bought, sales, quantity, money in expected_page.goods(choice):
            if bought == is_purchase:
                own_sales, own_quantity, own_money = goods.get(name, [0, 0, None])
                both = [one for one in (own_money, money) if one is not None]
                goods[name] = [own_sales + sales, own_quantity + quantity, sum(both) if both else None]
        assert same(tables["goods"].get(title, []), [[name, *of] for name, of in goods.items()])


def check_deals_that_came(shown: Mapping[str, Any], tables: Mapping[str, Any], choice: Choice, by_day: bool) -> None:
    """Asserts the tables of new deals, of losses by month, and of new and repeat customers."""
    created = len(choice.created())
    assert plain(tables["incoming"].get("Deals by weekday and hour of creation", [])) == plain(
        expected_page.created_by_hour(choice)
    )
    told = replace(choice, known=tuple(one for one in choice.known if all(map(one.was_read, ("calls", "messages")))))
    of_speed = {
        SPEEDS[-1 if speed is None else speed]: [deals, deals / created, *rest]
        for speed, deals, *rest in expected_page.speeds(told)
    }
    speeds = [[speed, *of_speed.get(speed, [0, 0, 0, None, 0])] for speed in SPEEDS] if of_speed else []
    assert same(tables["incoming"].get("First touch in working time, and winning", []), speeds)
    assert same(tables["incoming"].get("First touch by manager", []), expected_page.touched_by(told))
    if not by_day:
        found = [[row[0], sum(row[1:-1]), row[-1]] for row in tables["reasons"].get("By time", [])]
        months: dict[str, int] = {}
        for month, _, deals_of, _ in expected_page.reasons_by_month(choice):
            months[month] = months.get(month, 0) + deals_of
        assert same(found, [[month, count, count] for month, count in months.items()] if len(months) > 1 else [])
    repeat = [[CLIENTS[kind], *rest] for kind, *rest in expected_page.repeat_sold(choice)]
    assert same(rows_of(shown["repeat"]["tables"]), repeat)


def check_filtered(page: Report, choice: Choice) -> None:
    """Asserts that the sections of deals count only the deals that filters leave, and that the others say so."""
    shown = page.sections()
    tables = {name: section["tables"] for name, section in shown.items()}
    assert plain(page.figures()) == plain(expected_page.figures(choice))
    month, _ = expected_page.this_month(choice, date.min)
    check_sentences(page, choice, ["month"])
    counted = ("won_budget", "created", "won", "lost")
    assert plain([page.figures("month")[name] for name in counted]) == plain([month[name] for name in counted])
    months = [[*row[:3], row[-1]] for row in rows_of(tables["money"])]
    assert plain(months) == plain(expected_page.money_by(choice, lambda day: f"{day:%Y-%m}"))
    assert by_pipeline(shown["funnel"]) == plain([[one.name, one.rows] for one in expected_page.funnel(choice)])
    sold = [[*row[:6], None, row[7]] for row in expected_page.managers(choice) if any(row[1:4]) or row[7]]
    assert same(rows_of(tables["managers"][:1]), sold)
    assert same(rows_of(tables["reasons"][:1]), expected_page.reasons(choice))
    assert same([row[:7] for row in rows_of(tables["sources"][:1])], expected_page.sources(choice))
    assert same(rows_of(tables["cohorts"]), expected_page.cohorts(choice))
    stuck = [[one.name, *row] for one in expected_page.stuck(choice) for row in one.rows]
    assert same([[name, *row] for name, rows in by_pipeline(shown["stuck"]) for row in rows], stuck)
    check_deals_that_came(shown, {name: dict(by_pipeline(section)) for name, section in shown.items()}, choice, False)
    assert plain(rows_of(tables["stale"])) == plain(expected_page.stale(choice))
    for name in ("queue", "today", "forecast", "moved", "goods", "talks", "hours", "work", "at_once"):
        assert (tables[name], str(shown[name]["none"])[:31]) == ([], "Tags, sources and fields do not"), name


COUNTED = {
    **dict.fromkeys(("stale", "live", "live_budget", "dead", "dead_budget"), ACTIVITY), "overdue": ("tasks",),
    "first_touch": ("calls", "messages"), "called_back": ("calls", "messages"), "messages": ("messages",),
    **dict.fromkeys(("back_within_hour", "back_after", "first_touch_of"), ("calls", "messages")), "notes": ("notes",),
    "tasks_done": ("tasks",), "talks": ("messages",),
    "stage_moves": ("deal_statuses",), "actions": ("calls", "messages", "notes", "tasks", "deal_statuses"),
    **dict.fromkeys(("calls_in", "calls_out", "talk_seconds", "incoming_calls", "missed_calls"), ("calls",)),
}  # fmt: skip
"""The tables without which a column is null."""
LISTED = {"speed": ("calls", "messages"), "stale": ACTIVITY}
"""The tables without which a table has no rows."""


def with_unknown(name: str, columns: Sequence[str], rows: list[Any], choice: Choice) -> list[Any]:
    """Returns the rows of a table as they are told of accounts that lack tables."""

    def is_read(tables: Sequence[str]) -> bool:
        return all(known.was_read(table) for known in choice.known for table in tables)

    shown = [is_read(COUNTED.get(column, ())) for column in columns]
    return [
        [value if is_known else None for value, is_known in zip(row, shown, strict=True)]
        for row in rows
        if is_read(LISTED.get(name, ()))
    ]


def stale_of(choice: Choice) -> list[Row]:
    return [row for row in expected_page.stale_rows(choice) if row["is_dead"]]


def check_sentences(page: Report, choice: Choice, sections: Collection[str] | None = None) -> None:
    """Asserts that each sentence of the page, in both languages, is what the accounts hold."""
    since = page.since()
    then = expected_page.before(choice, since)
    for language, shown in zip(LANGUAGES, page.script(SENTENCES), strict=True):
        wanted = sentences(choice, then, since, language, shown.pop("who"))
        for name in sections or shown:
            found = of_fourteen_digits(shown[name])
            assert found == of_fourteen_digits(wanted.get(name, [])), (language, name)


SENTENCES = """
  const [view, was] = [chosen(state.scope, state.period, state.who), state.language];
  const texts = (element, css) => [...element.querySelectorAll(css)].map((one) => one.textContent);
  const inside = (section) => (tell) => made("div", null, {}, ...content(section, view, tell, []));
  const told = [1, 0].map((language) => {
    state.language = language;
    const of = (id, make) => (language === was ? find(`#${id}`) : make(teller(view)));
    return {
      who: state.who ? state.who.name : "",
      month: texts(of("month", month), ".change, .beside, .insight, .note"),
      figures: texts(of("figures", (tell) => figures(view, tell)), ".value, .change, .beside, .compared"),
      ...Object.fromEntries(SECTIONS.filter((section) => find(`#${section.id}`)).map((section) => (
        [section.id, texts(of(section.id, inside(section)), ".insight")]))),
    };
  });
  state.language = was;
  return told;
"""
"""Returns the sentences in English and Russian: in the page's language as shown, in the other as it would show them."""


def plain(value: Any) -> Any:
    """Converts a value for comparison: numbers to four decimals and to twelve digits, as JavaScript's sums differ."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    found = report_page.number(value)
    return float(f"{found:.12g}") if isinstance(found, float) else found


def by_pipeline(section: dict[str, Any]) -> list[Any]:
    """Returns the name above each table, or that folds it, with the table's rows."""
    return [[name.partition(": ")[2], rows] for name, rows in zip(section["captions"], section["tables"], strict=True)]


def rows_of(tables: list[Any]) -> list[Any]:
    return [row for table in tables for row in table]


def same(one: list[Any], other: list[Any]) -> bool:
    assert sorted(map(str, plain(one))) == sorted(map(str, plain(other)))
    return True


def check_answers(tables: Mapping[str, list[Row]], choice: Choice, limit: int | None = None) -> None:
    """Asserts that tables of the workbook or of the assistant are what the accounts hold.

    `tables`: rows by the name of the table, some without all columns. `limit`: number of rows that were requested.
    """
    wanted = answers(choice)
    for name, rows in tables.items():
        columns, all_rows = wanted[name]
        present = [column for column in columns if not rows or column in rows[0]]
        assert not rows or rows[0].keys() <= {
            "project_id",
            "currency",
            "item_id",
            "status_id",
            "stage_kind",
            *columns,
        }, name
        indexes = [columns.index(column) for column in present]
        found = [[as_text(row[column]) for column in present] for row in rows]
        held = [[as_text(row[index]) for index in indexes] for row in all_rows[:limit]]
        if name in ("queue", "today") and "text" in present:  # the workbook has the texts of tasks alone
            text = present.index("text")
            for own, other in zip(found, held, strict=False):
                own[text] = other[text] if own[text] is None else own[text]
        assert plain(found) == plain(held) if name in ORDERED else same(found, held), name


ORDERED = ("queue", "today", "stale")
"""Tables whose order is documented: the most urgent cards first, or the highest budgets."""


def answers(choice: Choice) -> dict[str, tuple[Sequence[str], list[Any]]]:
    """Returns the columns and rows of each table. `choice`: of whole months."""
    today = ("reason", "entity_type", "entity_id", "entity_name", "text", "responsible_user_id", "responsible_name",
             "pipeline_name", "status_name", "budget", "since_at_local", "days", "usual_days")  # fmt: skip
    foreseen = ("pipeline_id", "pipeline_name", "months_back", "months_ahead", "month", "expected", "low", "high",
                "sold_so_far", "from_open", "from_new", "sold", "sold_month_before")  # fmt: skip
    stale = ("deal_id", "name", "responsible_user_id", "responsible_name", "pipeline_name", "status_name", "budget",
             "days_without_activity", "open_tasks", "is_dead")  # fmt: skip
    sold = ("won", "won_budget", "lost", "rate", "average")
    waiting = [
        (known, row)
        for known in choice.known
        for row in ahead.today(known)
        if choice.fits(row["pipeline_id"], row["responsible_user_id"])
    ]
    waiting.sort(key=lambda pair: (
        -amount((row := pair[1])["budget"]), -(-1 if row["days"] is None else row["days"]), row["entity_type"] or "~",
        row["entity_id"] or 0, row["reason"], row["item_id"],
    ))  # fmt: skip
    expected_sales = [
        {**row, "pipeline_name": row["pipeline_name"] or (None if row["pipeline_id"] else "*")}
        for known in choice.known
        for row in ahead.forecast(known)
        if choice.users is None and not (row["months_back"] and row["months_ahead"])
        if choice.pipeline in (None, row["pipeline_id"])
    ]
    queued = [
        (known, row)
        for known in choice.known
        for row in ahead.queue(known)
        if choice.fits(row["pipeline_id"], row["responsible_user_id"])
    ]
    queued.sort(key=lambda pair: (
        (row := pair[1])["urgency"], ahead.moment(row)[0], -amount(row["budget"]), ahead.moment(row)[1],
        row["entity_type"] or "~", row["entity_id"] or -row["item_id"], row["item_id"], row["responsible_user_id"] or 0,
    ))  # fmt: skip
    of_queue = ("responsible_user_id", "responsible_name", "place", "reasons", "entity_type", "entity_id",
                "entity_name", "text", "pipeline_name", "status_name", "budget", "since_at_local", "working_minutes",
                "days")  # fmt: skip
    forgotten = sorted(
        expected_page.stale_rows(choice),
        key=lambda row: (-amount(row["budget"]), -row["days_without_activity"], row["deal_id"]),
    )
    months = [
        [month, won, money, lost, expected_page.ratio(won, won + lost), expected_page.ratio(money, won)]
        for month, won, money, lost in expected_page.money_by(choice, lambda day: f"{day:%Y-%m}-01")
        if won or lost
    ]
    figures = expected_page.figures(choice) | {
        **{f"{name}_of": expected_page.cases(choice)[name] for name in expected_page.AVERAGES},
        "lost": len(expected_page.of_kind(choice.closed(), "lost")), "plan": plan_of(choice),
        "plan_won_budget": sold_of_plan(choice), "first_touch": expected_page.first_touch(choice),
        "open": len(choice.open()), "open_budget": expected_page.money(deal for _, deal in choice.open()),
        **dict(zip(("live", "live_budget", "dead", "dead_budget"), lives_of(choice), strict=True)),
    }  # fmt: skip
    funnels, open_deals = expected_page.funnel(choice), expected_page.stuck(choice)
    found: dict[str, tuple[Sequence[str], list[Any]]] = {
        "money": (("month", *sold), months),
        "managers": (
            ("user_id", "manager", *sold, "overdue", "stale", "rate_was"),
            [[user, *row, was.get((project, user))]
             for was in [expected_page.rates_before(choice)]
             for (project, user), row in expected_page.managers_by_id(choice).items()],
        ),
        "plans": (
            ("month", "user_id", "manager", "plan", "plan_so_far", "won_budget", "plan_share"),
            [[f"{month}-01", user, known.user(user), plan, so_far := expected_page.plan_so_far(known, month, plan),
              sold := sold_in(known, month, user), float(sold / so_far) if so_far else None]
             for known in choice.known for (month, user), plan in known.plans.items()
             if f"{choice.first:%Y-%m}" <= month <= f"{choice.last:%Y-%m}" and choice.fits(None, user)],
        ),
        "funnel": (
            ("pipeline_id", "pipeline_name", "deals", "stage", "reached", "lost_here", "status_sort"),
            [[of.id, of.name, of.deals, row[0], row[1], row[4], sort] for of in funnels
             for row, sort in zip(of.rows, of.sorts, strict=True)],
        ),
        "reasons": (
            ("reason", "deals", "lost_budget"),
            [[reason, deals, money] for reason, deals, _, money in expected_page.reasons(choice)],
        ),
        "reasons_by_month": (
            ("month", "reason", "deals", "lost_budget"),
            [[f"{month}-01", *row] for month, *row in expected_page.reasons_by_month(choice)],
        ),
        "speed": (
            ("speed", "deals", "won_of_created", "source_rate", "won_of_created_budget"),
            expected_page.speeds(choice),
        ),
        "repeat": (
            ("is_repeat", "deals", "won_of_created", "source_rate", "won_of_created_budget"),
            expected_page.repeat(choice),
        ),
        "calls": (
            ("user_id", "manager", "incoming_calls", "missed_calls", "called_back", "back_within_hour", "back_after"),
            [[*row[:-1], expected_page.middle(row[-1])] for row in expected_page.incoming_calls(choice)],
        ),
        "moved": (
            ("pipeline_id", "pipeline_name", "user_id", "manager", *expected_page.MOVES, *CROSSED, "at_start",
             "at_end"),
            expected_page.moved(choice),
        ),
        "goods": (("good", "is_purchase", "sales", "quantity", "amount_now"), expected_page.goods(choice)),
        "sources": (
            ("source", "deals", "won_of_created", "source_rate", "won_of_created_budget", "won", "won_budget"),
            expected_page.sources(choice),
        ),
        "stuck": (
            ("pipeline_id", "pipeline_name", "stage", "deals", "budget"),
            [[of.id, of.name, row[0], *row[-2:]] for of in open_deals for row in of.rows],
        ),
        "today": (
            ("why", "entity_type", "entity_id", "card", "text", "user_id", "manager", "pipeline_name", "stage",
             *today[9:], "link"),
            [[*(row[name] for name in today), link_to(known, row["entity_type"], row["entity_id"])]
             for known, row in waiting],
        ),
        "queue": (
            ("user_id", "manager", "place", "why", "entity_type", "entity_id", "card", "text", "pipeline_name", "stage",
             *of_queue[10:], "link"),
            [[*(row[name] for name in of_queue), link_to(known, row["entity_type"], row["entity_id"])]
             for known, row in queued],
        ),
        "deals": (
            ("deal", "client", "manager", "pipeline_name", "stage", "budget", "created_on", "closed_on", "source",
             "loss_reason", "link"),
            [[deal["name"], deal["main_contact_name"] or deal["company_name"],
              known.user(deal["closer_id" if end else "responsible_user_id"]), deal["pipeline_name"],
              deal["status_name"], deal["budget"], deal["created_at_local"].date().isoformat(),
              end.date().isoformat() if end else None, expected_page.source_of(deal),
              deal["loss_reason"] if deal["stage_kind"] == "lost" else None, link_to(known, "deal", deal["deal_id"])]
             for known, deal in [*choice.open(), *choice.closed()]
             for end in [ended(deal) if deal["stage_kind"] in ("won", "lost") else None]],
        ),
        "dead": (
            ("dead", "dead_budget"),
            [[len(stale_of(one)), expected_page.money(stale_of(one))]
             for one in (replace(choice, known=(known,)) for known in choice.known)],
        ),
        "forecast": (foreseen, [[row[name] for name in foreseen] for row in expected_sales]),
        "stale": (
            ("deal_id", "deal", "user_id", "manager", "pipeline_name", "stage", *stale[6:], "link"),
            [[*(row[name] for name in stale), link_to(row["known"], "deal", row["deal_id"])] for row in forgotten],
        ),
        "talks": (
            ("user_id", "manager", "talks", "first_response", "unanswered"),
            [[*row[:4], row[-1]] for row in expected_page.talks_by_manager(choice)],
        ),
        "work": (("user_id", "manager", *expected_page.COUNTS), expected_page.work(choice)),
        "figures": (tuple(figures), [list(figures.values())]),
        "reasons_today": (
            REASONS,
            [[expected_page.count_of(choice, [row for _, row in waiting], reason) for reason in REASONS]],
        ),
        **directory(choice),
    }  # fmt: skip
    return {name: (columns, with_unknown(name, columns, rows, choice)) for name, (columns, rows) in found.items()}


def lives_of(choice: Choice) -> list[Any]:
    """Returns the number and the money of the open deals that are not dead, and of those that are."""
    dead, there = stale_of(choice), [deal for _, deal in choice.open()]
    gone = expected_page.money(dead)
    return [len(there) - len(dead), expected_page.money(there) - gone, len(dead), gone]


PLACES = {"deal": "leads", "contact": "contacts", "company": "companies", "customer": "customers"}


def link_to(known: oracle.Known, kind: str | None, number: int | None) -> str | None:
    """Returns a card's address in amoCRM."""
    account = next(iter(known.all("account")), None)
    if account is None or kind not in PLACES or not number:
        return None
    return f"https://{account['subdomain']}.amocrm.ru/{PLACES[kind]}/detail/{number}"


def plan_of(choice: Choice) -> Any:
    plans = [
        plan
        for known in choice.known
        for (month, user), plan in known.plans.items()
        if f"{choice.first:%Y-%m}" <= month <= f"{choice.last:%Y-%m}" and choice.fits(None, user)
    ]
    return sum(plans) if plans else None


def sold_in(known: oracle.Known, month: str, user: int) -> Any:
    """Sums the sales of a user in a month."""
    return expected_page.money(
        deal
        for deal in deals(known)
        if not deal["is_deleted"] and deal["stage_kind"] == "won" and deal["closer_id"] == user
        if (end := ended(deal)) and f"{end:%Y-%m}" == month
    )


def sold_of_plan(choice: Choice) -> Any:
    """Sums the sales of users in the months for which they have a plan."""
    if plan_of(choice) is None:
        return None
    return sum(
        amount(deal["budget"])
        for known, deal in choice.closed()
        if deal["stage_kind"] == "won" and (f"{ended(deal):%Y-%m}", deal["closer_id"]) in known.plans
    )


def directory(choice: Choice) -> dict[str, tuple[Sequence[str], list[Any]]]:
    accounts, people, stages = [], [], []
    for known in choice.known:
        account = next(iter(known.all("account")), {})
        name, domain = known.account_name, account and f"{account['subdomain']}.amocrm.ru"
        today = expected_page.day_of(Choice((known,), date.min, date.min))
        accounts.append([name, domain or None, known.currency, known.zone.key, known.synced_at, today])
        teams = known.by("groups", "group_id")
        people += [[row["user_id"], row["name"], teams.get(row["group_id"]), row["is_active"] is False]
                   for row in known.all("users")
                   if choice.users is None or row["user_id"] in choice.users]  # fmt: skip
        stages += [
            [row["pipeline_id"], row["pipeline_name"], row["status_id"], row["status_name"],
             kind(known, row["pipeline_id"], row["status_id"])]
            for row in known.all("statuses") if choice.pipeline in (None, row["pipeline_id"])
        ]  # fmt: skip
    return {
        "accounts": (("account", "domain", "currency", "time_zone", "synced_at", "today"), accounts),
        "people": (("user_id", "manager", "team", "is_deactivated"), people),
        "pipelines": (("pipeline_id", "pipeline_name", "status_id", "stage", "stage_kind"), stages),
    }


def as_text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


AS_OF = (
    """
  const [day, facts] = arguments;
  for (const row of TABLES.accounts) row.today = dayOf(day);
  DATA.days[dayOf(day)] = facts;
"""
    + SHOW
)
"""Shows the page as it is on another day, with what it knows of that day."""


def on_day(page: Report, day: date) -> None:
    """By the oracle's days of work, and by its days of the months before that have as many."""
    around = (day + timedelta(days=n) for n in range(-62, 63))
    working = WorkingDays(frozenset(one for one in around if ahead.work_days(one, one)))
    facts = day_facts(day, date.fromisoformat(page.script("return DATA.since")), working)
    like = [day_number(day), *(day_number(expected_page.as_many_days_in(day, months)) for months in range(1, 13))]
    page.script(AS_OF, f"{day}", facts | {"like_today": like})
    page.wait()


def of_fourteen_digits(lines: Sequence[str]) -> list[str]:
    """Rounds long amounts in the lines to 14 digits, as many as sums of doubles in two orders share."""

    def rounded(found: re.Match[str]) -> str:
        return f"{float(re.sub(r'[^0-9]', '', found[0])):.13e}"

    return [re.sub(r"\d[\d,\u00a0]{17,}", rounded, line) for line in lines]


LINES = {
    "head": ("{account}: sales, {month}. {as_of}", "{account}: продажи, {month}. {as_of}"),
    "synced": ("As of the sync of {time}", "Данные синхронизации {time}"),
    "built": (
        "Built {time}; the database does not tell when it was synced",
        "Построено {time}; время синхронизации в базе не указано",
    ),
    "failed": (
        "Built {time}; no sync of this account has ended well yet",
        "Построено {time}; ни одна синхронизация этого аккаунта ещё не завершилась успешно",
    ),
    "sold": (
        "This month: {won} won for {money}; in as many days of work before ({first} – {last}): {then}",
        "В этом месяце: выиграно {won} на {money}; за столько же рабочих дней до этого ({first} – {last}): {then}",
    ),
    "plan": (
        "Plan of the month: {plan}, done {share}; {needed}",
        "План месяца: {plan}, выполнено {share}; {needed}",
    ),
    "needed": ("needed a day from today: {money}", "нужно в день с сегодняшнего: {money}"),
    "met": ("it is met", "план выполнен"),
    "plan_of_some": (
        "Plan of the month: {plan}, done {share}: those who have a plan sold {sold}; {needed}",
        "План месяца: {plan}, выполнено {share}: те, у кого он есть, продали на {sold}; {needed}",
    ),
    "no_plan": ("Plan of the month: none", "План месяца: не задан"),
    "forecast": ("Forecast of {month}: {expected} ({low} – {high})", "Прогноз на {month}: {expected} ({low} – {high})"),
    "few": (
        "Forecast of {month}: too little is known to tell",
        "Прогноз на {month}: слишком мало данных, чтобы судить",
    ),
    "record": (
        "Of the last {count} months {inside} were within such an interval",
        "Из {count} прошлых месяцев в такой интервал попали {inside}",
    ),
    "no_record": (
        "How such forecasts did: too little is known to tell",
        "Как сбывались такие прогнозы: слишком мало данных, чтобы судить",
    ),
    "last": (
        "{month}: {won} won for {money}{plan}; the month before {before}",
        "{month}: выиграно {won} на {money}{plan}; месяцем раньше {before}",
    ),
    "not_live": (
        "Open deals, live and dead: none, or not known",
        "Сделки в работе, живые и мёртвые: таких нет, или это неизвестно",
    ),
    "live": (
        "In work: live {live} for {worth}, to clean up {dead} for {of_dead}.",
        "В работе: живых {live} на {worth}, пора почистить {dead} на {of_dead}.",
    ),
    "coverage": (
        "In work: live {live} for {worth}, {share} of what the plan still lacks ({lack}); to clean up {dead} for "
        "{of_dead}.",
        "В работе: живых {live} на {worth} — {share} того, чего не хватает до плана ({lack}); пора почистить {dead} на "
        "{of_dead}.",
    ),
    "of_plan": (", {share} of the plan of {plan}", ", {share} плана {plan}"),
    "of_plan_of_some": (
        ", {share} of the plan of {plan} (those who have one sold {sold})",
        ", {share} плана {plan} (те, у кого он есть, продали на {sold})",
    ),
    "day": (
        "{days}: leads {created}, won {won}, lost {lost}, sold for {money}",
        "{days}: заявок {created}, выиграно {won}, проиграно {lost}, продано на {money}",
    ),
    "week": (
        "Last week ({days}): leads {created}, won {won}, lost {lost}, sold for {money}",
        "Прошлая неделя ({days}): заявок {created}, выиграно {won}, проиграно {lost}, продано на {money}",
    ),
    "touch": (
        "after {minutes} min (median; deals: {touched})", "через {minutes} мин. (медиана; сделок: {touched})",
    ),
    "created": (
        "Created this month: {count}, first touch: {touch}; won of closed: {rate} (closed: {closed})",
        "Создано в этом месяце: {count}, первое касание: {touch}; выиграно из закрытых: {rate} (закрыто: {closed})",
    ),
    "nobody": ("Most this month: nobody has sold yet", "Больше всех в этом месяце: продаж ещё нет"),
    "best": ("Most this month: {who}, {money}", "Больше всех в этом месяце: {who}, {money}"),
    "lost": (
        "Lost this month: {lost}, most often “{reason}”", "Проиграно в этом месяце: {lost}, чаще всего «{reason}»",
    ),
    "none_lost": ("Lost this month: 0", "Проиграно в этом месяце: 0"),
    "no_reason": ("no reason given", "причина не указана"),
    "waiting": (
        "Waiting: new leads without a touch {untouched}, deals without a task {no_task}, slow deals {slow}, clients "
        "without an answer {waiting}, overdue tasks {overdue_task}",
        "Ждут: новых без касания {untouched}, сделок без задач {no_task}, долго на этапе {slow}, клиентов без ответа "
        "{waiting}, просроченных задач "
        "{overdue_task}",
    ),
    "oldest": ("{count} (the oldest {waited})", "{count} (самая давняя — {waited})"),
    "minutes": ("{value} min", "{value} мин."), "hours": ("{value} h", "{value} ч"),
    "queue": (
        "Cards in the queue: {cards}, first {card} ({why}), {who} {link}; deals to clean up: {dead}, for {money}"
        "{unread}",
        "В очереди карточек: {cards}, первая — {card} ({why}), {who} {link}; пора почистить сделок: {dead}, на {money}"
        "{unread}",
    ),
    "unread": (". Not read: {tables}", ". Не прочитано: {tables}"),
    "unknown": (
        "Cards in the queue: –; deals to clean up: {dead}, for {money}{unread}",
        "В очереди карточек: –; пора почистить сделок: {dead}, на {money}{unread}",
    ),
    "nothing": (
        "The queue is empty; deals to clean up: {dead}, for {money}",
        "Очередь пуста; пора почистить сделок: {dead}, на {money}",
    ),
    "of_waiting": ("client waits", "клиент ждёт ответа"), "of_missed_call": ("missed call", "пропущенный звонок"),
    "of_untouched": ("not touched yet", "без касания"),
    "of_task": ("task due", "срок задачи"), "of_slow": ("slow", "долго на этапе"),
}  # fmt: skip
MONTHS = [
    "январь",
    "февраль",
    "март",
    "апрель",
    "май",
    "июнь",
    "июль",
    "август",
    "сентябрь",
    "октябрь",
    "ноябрь",
    "декабрь",
]


def digest_lines(known: oracle.Known, users: frozenset[int] | None = None, language: str = "en") -> list[str]:
    """Returns the digest of an account. For certain users it has twelve lines, without the forecast."""
    russian = language == "ru"
    today = expected_page.day_of(Choice((known,), date.min, date.min))
    first = datetime(today.year, today.month, 1)
    month = [ahead.months_earlier(first, back).date() for back in (-2, -1, 0, 1, 2)]
    [this, last, earlier] = [
        Choice((known,), first, after - timedelta(days=1), users=users)
        for first, after in zip(month[2:], month[1:], strict=False)
    ]
    same_days = expected_page.before(replace(this, last=today), date.min)
    assert same_days is not None
    sold, before = map(expected_page.figures, (this, last))
    tables = answers(this)
    sign = {"RUB": "₽", "USD": "$"}.get(known.currency or "", known.currency or "")

    def line(key: str, **values: Any) -> str:
        return LINES[key][russian].format(**values)

    def number(value: Any) -> str:
        return Wording(language, None).number(value, 0)

    def of_touch(value: float) -> str:
        return Wording(language, None).number(value, 1 if value < 10 else 0)

    def money(value: Any) -> str:
        return f"{number(amount(value))}\u00a0{sign}".strip()

    def shown(choice: Choice) -> dict[str, str]:
        """Returns figures as they are written, or dashes where the days end before the account's first month.

        An account without deals and plans has none.
        """
        of, began = expected_page.of_month(choice), expected_page.first_day(known)
        written = {"money": money(of["won_budget"]), **{one: number(of[one]) for one in ("created", "won", "lost")}}
        return dict.fromkeys(written, "–") if choice.last < began < date.max else written

    def share(value: float | None) -> str:
        return Wording(language, None).percent(value)

    off = {row["name"] for row in known.all("users") if not expected_page.is_at_work(row)}

    def who(name: str | None) -> str:
        word = (" · без доступа" if russian else " · deactivated") if name in off else ""
        return "робот" if russian and name == "robot" else f"{name or '–'}{word}"

    def dated(day: date) -> str:
        return f"{day:%d.%m.%Y}" if russian else f"{day:%Y-%m-%d}"

    def named(day: date) -> str:
        return f"{MONTHS[day.month - 1]} {day.year}" if russian else f"{day:%B %Y}"

    rows = [dict(zip(tables["forecast"][0], row, strict=True)) for row in tables["forecast"][1]]
    totals = [row for row in rows if row["pipeline_id"] is None and row["expected"] is not None]
    past = [row for row in totals if row["months_back"]]

    def foreseen(months: int) -> str:
        for row in totals:
            if (row["months_back"], row["months_ahead"]) == (0, months):
                amounts = {name: money(row[name]) for name in ("expected", "low", "high")}
                return line("forecast", month=named(month[2 - months]), **amounts)
        return line("few", month=named(month[2 - months]))

    inside = sum(row["low"] <= row["sold"] <= row["high"] for row in past)
    best = min(expected_page.managers(this), key=lambda row: (-row[2], -row[1]), default=None)
    reason = min(expected_page.reasons(this), key=lambda row: (-row[1], -row[3], row[0] or "\U0010ffff"), default=None)
    waiting = [dict(zip(tables["queue"][0], row, strict=True)) for row in tables["queue"][1]]
    card = next(iter(waiting), None)
    [[dead, of_dead]] = tables["dead"][1]
    clean = {"dead": "–", "money": "–"} if dead is None else {"dead": number(dead), "money": money(of_dead)}
    of_queue = ("calls", "deal_statuses", "messages", "talks", "tasks")
    unread = ", ".join(table for table in of_queue if not known.was_read(table))
    clean["unread"] = line("unread", tables=unread) if unread else ""
    counts = dict(zip(REASONS, tables["reasons_today"][1][0], strict=True))
    new = [row["working_minutes"] for row in waiting if row["why"].startswith("untouched")]
    if new and counts["untouched"] is not None:
        hours, minutes = divmod(max(new), 60)
        waited = line("hours", value=number(hours)) if hours else line("minutes", value=minutes)
        counts["untouched"] = line("oldest", count=counts["untouched"], waited=waited)
    of_month = dict(zip(tables["figures"][0], tables["figures"][1][0], strict=True))
    touch, touched = of_month["first_touch"], of_month["first_touch_of"]
    as_of = known.local(known.synced_at or known.now)
    assert as_of
    kind_of = "synced" if known.synced_at else "failed" if known.syncs else "built"
    dated_as_of = line(kind_of, time=f"{dated(as_of.date())}, {as_of:%H:%M}")
    of_plan = sold_of_plan(this)
    plan, lost = plan_of(this), len(expected_page.of_kind(this.closed(), "lost"))
    of_last = plan_of(last)
    sold_then, of_plan_then = sold_of_plan(last), ""
    if of_last:
        kind = "of_plan_of_some" if sold_then < amount(before["won_budget"]) else "of_plan"
        of_plan_then = line(
            kind, share=share(float(sold_then) / float(of_last)), plan=money(of_last), sold=money(sold_then)
        )
    of_ended = shown(last)
    ended = line("last", month=named(last.first).capitalize(), won=of_ended["won"], money=of_ended["money"],
                 plan=of_plan_then, before=shown(earlier)["money"])  # fmt: skip
    needed = expected_page.this_month(this, date.min)[0].get("needed")
    lives = expected_page.live(this)
    in_work = line("not_live")
    if lives:
        lack = max(plan - of_plan, 0) if plan else 0
        alive, worth, gone, of_gone = lives
        in_work = line(
            "coverage" if lack else "live", live=number(alive), worth=money(worth), dead=number(gone),
            of_dead=money(of_gone), lack=money(lack), share=share(float(worth) / float(lack)) if lack else "",
        )  # fmt: skip
    near = []
    for key, of in zip(("day", "week"), expected_page.near(this), strict=True):
        days = dated(of.first) if of.first == of.last else f"{dated(of.first)} – {dated(of.last)}"
        near.append(line(key, days=days, **shown(of)))
    return [
        line("head", account=known.account_name, month=named(this.first), as_of=dated_as_of),
        *([ended] if today.day <= 5 else []),
        line(
            "sold", won=sold["won"], money=money(sold["won_budget"]), first=dated(same_days.first),
            last=dated(same_days.last), then=shown(same_days)["money"],
        ),
        line("plan_of_some" if of_plan < amount(sold["won_budget"]) else "plan", plan=money(plan),
             share=share(float(of_plan) / float(plan)), sold=money(of_plan),
             needed=line("needed", money=money(needed)) if needed else line("met")) if plan else line("no_plan"),
        *([
            foreseen(0), foreseen(1),
            line("record", count=len(past), inside=inside) if past else line("no_record"),
        ] if users is None else []),
        *([] if today.day <= 5 else [ended]), *near,
        line("created", count=sold["created"], rate=share(sold["rate"]), closed=number(of_month["rate_of"]),
             touch="–" if touch is None else line("touch", minutes=of_touch(touch), touched=number(touched))),
        in_work,
        line("best", who=who(best[0]), money=money(best[2])) if best and best[2] else line("nobody"),
        line("lost", lost=lost, reason=reason[0] or line("no_reason")) if reason else line("none_lost"),
        line("waiting", **{reason: "–" if count is None else count for reason, count in counts.items()}),
        line("queue", cards="–" if unread else number(len(waiting)), card=card["card"] or "–", who=who(card["manager"]),
             why=line(f"of_{card['why'].partition(' ')[0]}"), link=card["link"] or "–", **clean)
        if card else line("unknown" if unread else "nothing", **clean),
    ]  # fmt: skip


def known_of(project: str, tables: dict[str, list[models.Row]], now: int) -> oracle.Known:
    """Returns what was read of an account in Moscow, as of a moment (unix seconds)."""
    absent = frozenset(expected.KEYS.keys() - tables.keys())
    rows = {name: {tuple(row[key] for key in expected.KEYS[name]): row for row in of} for name, of in tables.items()}
    return oracle.Known(project, ZoneInfo("Europe/Moscow"), oracle.at_second(now), True, absent, rows)
