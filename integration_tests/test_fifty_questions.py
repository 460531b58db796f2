"""Fifty questions of a head of sales, asked as an assistant's client asks them: each in at most two calls, without SQL.

Each answer equals the account's own rows.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sandbox import Account, ManualClock
from testing import models
from testing.assistant import ask
from testing.expected import marts as oracle
from testing.expected.marts import ahead
from testing.expected.marts import page as expected_page
from testing.expected.marts.conversations import conversations
from testing.expected.marts.deals import deal_history, deal_stage_history, deals
from testing.expected.marts.known import amount
from testing.expected.marts.page import Choice
from testing.report_numbers import lives_of, plain, sold_of_plan, stale_of

NOW = 1_767_290_400
"""2026-01-01 21:00 in Moscow."""
PLAN = 300_000
MOST = {"limit": 500, "kilobytes": 400}


@pytest.fixture(scope="module")
def known() -> oracle.Known:
    known = oracle.Known("1001", ZoneInfo("Europe/Moscow"), oracle.at_second(NOW), marks=False)
    known.read(Account.generate(2, 200, clock=ManualClock(NOW)))
    known.plans = {("2026-01", row["user_id"]): Decimal(PLAN) for row in known.all("users")}
    return known


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, known: oracle.Known) -> str:
    folder = tmp_path_factory.mktemp("questions")
    file, plans = str(folder / "crm.duckdb"), folder / "plans.csv"
    models.store(file, "1001", {name: list(rows.values()) for name, rows in known.rows.items()}, "duckdb")
    lines = [f"1001,2026-01-01,{row['user_id']},{PLAN}" for row in known.all("users")]
    plans.write_text("\n".join(["project_id,month,responsible_user_id,plan", *lines, ""]), encoding="utf-8")
    hours = "1-5 9:00-18:00, 6 10:00-14:30"
    models.build(file, "--now", "2026-01-01T18:00:00", "--working-hours", hours, "--plans", str(plans))
    return file


@dataclass
class Client:
    """Whoever asks. `calls`: how often the tools were called."""

    database: str
    calls: list[str] = field(default_factory=list)

    def __call__(self, tool: str, **arguments: Any) -> Any:
        self.calls.append(tool)
        [answer] = ask(self.database, (tool, MOST | arguments), free_sql=False)
        assert isinstance(answer, dict), answer
        return answer

    def total(self, **arguments: Any) -> Any:
        [row] = self("sales", show=["total"], **arguments)["total"]
        return row


@dataclass(frozen=True)
class Books:
    """What the account's own rows say."""

    known: oracle.Known

    def days(self, first: str, last: str, **more: Any) -> Choice:
        return Choice((self.known,), date.fromisoformat(first), date.fromisoformat(last), **more)

    @property
    def year(self) -> Choice:
        return self.days("2025-01-01", "2025-12-31")

    @property
    def december(self) -> Choice:
        return self.days("2025-12-01", "2025-12-31")

    @property
    def now(self) -> Choice:
        return self.days("2026-01-01", "2026-01-31")

    def team(self, name: str) -> frozenset[int]:
        [group] = [row["group_id"] for row in self.known.all("groups") if row["name"] == name]
        return frozenset(row["user_id"] for row in self.known.all("users") if row["group_id"] == group)

    def open(self) -> list[Any]:
        return [deal for _, deal in self.now.open()]

    def most(self, column: str) -> Any:
        return Counter(deal[column] for deal in deals(self.known) if deal[column]).most_common(1)[0][0]

    def won(self, choice: Choice) -> list[Any]:
        return expected_page.of_kind(choice.closed(), "won")

    def sold(self, choice: Choice) -> Decimal:
        return expected_page.money(self.won(choice))


Question = Callable[[Client, Books], tuple[Any, Any]]
YEAR = {"since": "2025-01-01", "until": "2025-12-31"}
DECEMBER = {"period": "2025-12"}


def percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share)


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value)


def best_source(books: Books) -> str:
    return str(Counter(s for _, d in books.year.created() if (s := expected_page.source_of(d))).most_common(1)[0][0])


def top_manager(c: Client, b: Books) -> tuple[Any, Any]:
    best = max(expected_page.managers(b.year), key=lambda row: row[2])
    first = c("sales", show=["managers"], **YEAR)["managers"][0]
    return [first["manager"], first["won_budget"]], [best[0], best[2]]


def of_field(c: Client, b: Books) -> tuple[Any, Any]:
    """By the own field whose values most deals have."""
    fields = [row for row in b.known.all("custom_fields_deals") if row["field_type"] == "select"]
    name = Counter(row["name"] for row in fields).most_common(1)[0][0]
    values = {row["lead_id"]: row["value"] for row in fields if row["name"] == name and row["value_index"] == 0}
    wanted: defaultdict[Any, Decimal] = defaultdict(Decimal)
    for deal in b.won(b.year):
        wanted[values.get(deal["deal_id"])] += amount(deal["budget"])
    rows = c("sales", show=["fields"], field=name, **YEAR)["fields"]
    told = {row["value"]: row["won_budget"] for row in rows if row["value"] is not None and row["won"]}
    return told, {value: money for value, money in wanted.items() if value is not None}


def tagged(c: Client, b: Books) -> tuple[Any, Any]:
    there = {deal["deal_id"] for deal in deals(b.known) if not deal["is_deleted"]}
    name = Counter(row["name"] for row in b.known.all("deal_tags") if row["lead_id"] in there).most_common(1)[0][0]
    wanted = {row["lead_id"] for row in b.known.all("deal_tags") if row["name"] == name} & there
    return {row["deal_id"] for row in c("deals", tag=name, state="all")["deals"]}, wanted


def untouched(c: Client, b: Books) -> tuple[Any, Any]:
    wanted = {deal["deal_id"] for deal in b.open() if deal["first_response_at"] is None}
    return {row["deal_id"] for row in c("deals", state="open", untouched=True)["deals"]}, wanted


def stuck_for_long(c: Client, b: Books) -> tuple[Any, Any]:
    now = b.known.local(b.known.now)
    assert now
    wanted = {
        deal["deal_id"]
        for deal in b.open()
        if amount(deal["budget"]) >= 50_000 and now - deal["in_stage_since_local"] >= timedelta(days=60)
    }
    rows = c("deals", state="open", budget_from=50_000, days_in_stage=60)["deals"]
    return {row["deal_id"] for row in rows}, wanted


def silent(c: Client, b: Books) -> tuple[Any, Any]:
    wanted = {deal["deal_id"] for deal in b.open() if deal["days_without_activity"] >= 30}
    return {row["deal_id"] for row in c("deals", state="open", days_without_activity=30)["deals"]}, wanted


def open_in_october(c: Client, b: Books) -> tuple[Any, Any]:
    end = datetime(2025, 10, 2)
    there = [
        row
        for row in deal_history(b.known)
        if row["stage_kind"] in ("open", "unsorted") and row["from_at_local"] < end
        and (row["to_at_local"] is None or row["to_at_local"] >= end)
    ]  # fmt: skip
    [row] = c("what_moved", day="2025-10-01")["open"]
    return [row["deals"], row["budget"]], [len(there), sum(amount(one["budget"]) for one in there)]


def a_contact(b: Books) -> Any:
    phones = {
        row["contact_id"]: row["value"] for row in b.known.all("custom_fields_contacts") if row["field_code"] == "PHONE"
    }
    contact = next(row for row in b.known.all("contacts") if row["contact_id"] in phones and row["name"])
    return contact, phones[contact["contact_id"]]


def client_by_name(c: Client, b: Books) -> tuple[Any, Any]:
    contact, _ = a_contact(b)
    cards = c("find", query=contact["name"].upper(), kind="contact")["cards"]
    return contact["contact_id"] in {row["id"] for row in cards}, True


def client_by_phone(c: Client, b: Books) -> tuple[Any, Any]:
    contact, phone = a_contact(b)
    digits = re.sub(r"\D", "", phone)
    cards = c("find", query=f"8{digits[1:]}" if digits.startswith("7") else digits, kind="contact")["cards"]
    return contact["contact_id"] in {row["id"] for row in cards}, True


def deals_of_client(c: Client, b: Books) -> tuple[Any, Any]:
    deal = next(deal for deal in b.open() if deal["main_contact_id"])
    [contact] = [row for row in b.known.all("contacts") if row["contact_id"] == deal["main_contact_id"]]
    rows = c("card", kind="contact", id=contact["contact_id"])["deals"]
    return deal["deal_id"] in {row["deal_id"] for row in rows}, True


def a_card(c: Client, b: Books) -> tuple[Any, Any]:
    deal = b.open()[0]
    [head] = c("card", id=deal["deal_id"])["card"]
    names = ("name", "status_name", "budget", "responsible_name")
    return [head[name] for name in names], [deal[name] for name in names]


def stages_gone(c: Client, b: Books) -> tuple[Any, Any]:
    stays = deal_stage_history(b.known)
    deal = Counter(row["deal_id"] for row in stays if row["deal_id"] in {d["deal_id"] for d in b.open()}).most_common(1)
    [(number, count)] = deal
    return len(c("card", id=number, show=["stages"])["stages"]), count


def stage_then(c: Client, b: Books) -> tuple[Any, Any]:
    row = next(row for row in deal_history(b.known) if row["to_at_local"] and row["from_at_local"] < row["to_at_local"])
    at = row["from_at_local"] + (row["to_at_local"] - row["from_at_local"]) / 2
    [told] = c("card", id=row["deal_id"], at=at.isoformat(timespec="seconds"), show=["history"])["history"]
    return [told["status_name"], told["responsible_name"]], [row["status_name"], row["responsible_name"]]


def why_not_counted(c: Client, b: Books) -> tuple[Any, Any]:
    deal = max((d for d in b.won(b.year)), key=lambda d: d["deal_id"])
    [row] = [row for row in c("why", id=deal["deal_id"])["why"] if row.get("step") in (None, "answer")][:1]
    return "not" in str(row) or bool(row), True


def biggest_open(c: Client, b: Books) -> tuple[Any, Any]:
    wanted = sorted((amount(deal["budget"]) for deal in b.open()), reverse=True)[:5]
    return [row["budget"] for row in c("deals", state="open", order="budget", limit=5)["deals"]], wanted


def won_by_manager(c: Client, b: Books) -> tuple[Any, Any]:
    user, name = next((row["user_id"], row["name"]) for row in b.known.all("users"))
    choice = replace(b.year, users=frozenset({user}))
    rows = c("deals", state="won", manager=name, **YEAR)["deals"]
    return {row["deal_id"] for row in rows}, {deal["deal_id"] for deal in b.won(choice)}


def compared(c: Client, b: Books) -> tuple[Any, Any]:
    rows = {row["figure"]: row for row in c("compare_periods", **DECEMBER)["figures"]}
    november = b.days("2025-11-01", "2025-11-30")
    told = [rows["won_budget"][name] for name in ("now", "before")] + [rows["created"]["before"]]
    return told, [b.sold(b.december), b.sold(november), len(november.created())]


def conversion_of_managers(c: Client, b: Books) -> tuple[Any, Any]:
    halves = b.days("2025-07-01", "2025-12-31"), b.days("2025-01-01", "2025-06-30")
    rates = [{row[0]: percent(row[4]) for row in expected_page.managers(half) if row[1] + row[3]} for half in halves]
    rows = c("compare_periods", since="2025-07-01", until="2025-12-31", show=["managers"])["managers"]
    told = {row["manager"]: [rounded(row["rate_percent"]), rounded(row["rate_before_percent"])] for row in rows}
    return told, {name: [rate.get(name) for rate in rates] for name in {**rates[0], **rates[1]}}


def won_within_three_months(c: Client, b: Books) -> tuple[Any, Any]:
    rows = {row["month"][:7]: row["won_within_3_months_percent"] for row in c("funnel", **YEAR)["cohorts"]}
    return (
        {month: rounded(share) for month, share in rows.items()},
        {month: percent(shares[3]) for month, _, _, _, *shares in expected_page.cohorts(b.year)},
    )


def worst_stage(c: Client, b: Books) -> tuple[Any, Any]:
    rows = c("funnel", show=["stages"], **YEAR)["stages"]
    wanted = [[of.name, row[0], row[4]] for of in expected_page.funnel(b.year) for row in of.rows if row[4]]
    told = [[row["pipeline_name"], row["stage"], row["lost_here"]] for row in rows if row["lost_here"]]
    return sorted(map(str, told)), sorted(map(str, wanted))


def why_lost(c: Client, b: Books) -> tuple[Any, Any]:
    wanted = {row[0]: [row[1], row[3]] for row in expected_page.reasons(b.year)}
    rows = c("funnel", show=["reasons"], **YEAR)["reasons"]
    return {row["reason"]: [row["deals"], row["lost_budget"]] for row in rows}, wanted


def sources(c: Client, b: Books, *places: int) -> tuple[Any, Any]:
    names = ("source", "deals", "won_of_created", "source_rate_percent", "won_of_created_budget", "won", "won_budget")
    rows = {row["source"]: [row[names[place]] for place in places] for row in c("sources", **YEAR)["sources"]}
    return rows, {row[0]: [row[place] for place in places] for row in expected_page.sources(b.year)}


def counted_calls(c: Client, b: Books, column: str, place: int) -> tuple[Any, Any]:
    told = sum(row[column] or 0 for row in c("incoming", **YEAR)["calls"])
    return told, sum(row[place] for row in expected_page.incoming_calls(b.year))


def busiest_hours(c: Client, b: Books) -> tuple[Any, Any]:
    told = dict.fromkeys(range(24), 0)
    for row in c("incoming", **YEAR)["new_deals"]:
        for hour, count in row["by_hour"].items():
            told[int(hour)] += count
    counts = Counter(deal["created_at_local"].hour for _, deal in b.year.created())
    return told, {hour: counts[hour] for hour in range(24)}


def made_calls(c: Client, b: Books) -> tuple[Any, Any]:
    rows = c("activity", show=["managers"], **YEAR)["managers"]
    return {row["manager"]: row["calls_out"] for row in rows}, {row[1]: row[2] for row in expected_page.work(b.year)}


def repeat_customers(c: Client, b: Books) -> tuple[Any, Any]:
    rows = {row["is_repeat"]: row["won_of_created"] for row in c("sources", **YEAR)["customers"]}
    return rows, {kind: won for kind, _, won, *_ in expected_page.repeat(b.year)}


def goods(c: Client, b: Books) -> tuple[Any, Any]:
    told = sorted(str([row["good"], row["sales"]]) for row in c("sources", show=["goods"], **YEAR)["goods"])
    return told, sorted(str([row[0], row[2]]) for row in expected_page.goods(b.year))


def by_stage(c: Client, b: Books) -> tuple[Any, Any]:
    told = {(row["pipeline_name"], row["stage"]): row["deals"] for row in c("what_moved", show=["stages"])["stages"]}
    return told, {(of.name, row[0]): row[-2] for of in expected_page.stuck(b.now) for row in of.rows}


def moved(c: Client, b: Books) -> tuple[Any, Any]:
    [total] = c("what_moved", show=["total"], **DECEMBER)["total"]
    rows = expected_page.moved(b.december)
    names = expected_page.MOVES
    wanted = {name: sum(row[4 + place] for row in rows) for place, name in enumerate(names)}
    return {name: total[name] for name in names}, wanted


def yesterday(c: Client, b: Books) -> tuple[Any, Any]:
    rows = {row["days"]: row for row in c("sales", show=["lately"])["lately"]}
    day, week = expected_page.near(b.now)
    names = ("created", "won", "lost", "won_budget")
    wanted = [[expected_page.of_month(of)[name] for name in names] for of in (day, week)]
    return [[rows[kind][name] for name in names] for kind in ("day", "week")], wanted


def ended_first(c: Client, b: Books) -> tuple[Any, Any]:
    first = c("sales", show=["lately"])["lately"][0]
    return [first["days"], first["won_budget"]], ["last_month", b.sold(b.december)]


def waiting(c: Client, b: Books, reason: str) -> tuple[Any, Any]:
    [total] = c("queue", show=["total"])["total"]
    return total[reason], sum(row["reason"] == reason for row in ahead.today(b.known))


def first_in_queue(c: Client, b: Books) -> tuple[Any, Any]:
    name = next(row["responsible_name"] for row in ahead.queue(b.known))
    own = [row for row in ahead.queue(b.known) if row["responsible_name"] == name]
    rows = c("queue", manager=name, show=["queue"])["queue"]
    return [row["card"] for row in rows], [row["entity_name"] for row in sorted(own, key=lambda row: row["place"])]


def to_clean_up(c: Client, b: Books) -> tuple[Any, Any]:
    rows = c("queue", show=["stale"])["stale"]
    return {row["deal_id"] for row in rows if row["is_dead"]}, {row["deal_id"] for row in stale_of(b.now)}


def overdue(c: Client, b: Books) -> tuple[Any, Any]:
    rows = c("sales", show=["managers"])["managers"]
    found = expected_page.managers(b.days("2025-02-01", "2026-01-31"))
    return {row["manager"]: row["overdue"] for row in rows}, {row[0]: row[-2] for row in found}


def chats(c: Client, b: Books) -> tuple[Any, Any]:
    told = sum(row["talks"] or 0 for row in c("incoming", **YEAR)["talks"])
    return told, len(expected_page.talks(b.year))


def unanswered(c: Client, b: Books) -> tuple[Any, Any]:
    told = sum(row["unanswered"] or 0 for row in c("incoming", show=["talks"])["talks"])
    return told, sum(talk["is_unanswered"] and bool(talk["messages_in"]) for talk in conversations(b.known))


def plan_of_month(c: Client, b: Books) -> tuple[Any, Any]:
    total = next(row for row in c("plan", show=["pace"])["pace"] if row["manager"] == "*")
    plan = PLAN * len(b.known.all("users"))
    sold = sold_of_plan(b.now)
    needed = rounded(float(plan - sold) / expected_page.days_left(b.now))
    return [total["plan"], total["sold_so_far"], total["needed_a_day"]], [plan, sold, needed]


def forecast(c: Client, b: Books) -> tuple[Any, Any]:
    rows = c("plan", show=["forecast"])["forecast"]
    told = {
        row["months_ahead"]: row["expected"] for row in rows if row["pipeline_name"] == "*" and not row["months_back"]
    }
    found = [row for row in ahead.forecast(b.known) if row["pipeline_id"] is None and not row["months_back"]]
    return told, {row["months_ahead"]: row["expected"] for row in found}


def of_a_manager(c: Client, b: Books) -> tuple[Any, Any]:
    user, name = next((row["user_id"], row["name"]) for row in b.known.all("users"))
    [sales] = c("manager", manager=name, **YEAR)["sales"]
    choice = replace(b.year, users=frozenset({user}))
    return [sales["won"], sales["won_budget"]], [len(b.won(choice)), b.sold(choice)]


def of_a_team(c: Client, b: Books) -> tuple[Any, Any]:
    name = next(row["name"] for row in b.known.all("groups") if b.team(row["name"]))
    return c.total(team=name, **YEAR)["won_budget"], b.sold(replace(b.year, users=b.team(name)))


def of_a_pipeline(c: Client, b: Books) -> tuple[Any, Any]:
    pipeline = b.most("pipeline_id")
    return c.total(pipeline=pipeline, **YEAR)["won"], len(b.won(replace(b.year, pipeline=pipeline)))


def of_a_source(c: Client, b: Books) -> tuple[Any, Any]:
    source = best_source(b)
    wanted = [deal for deal in b.won(b.year) if expected_page.source_of(deal) == source]
    return c.total(source=source, **YEAR)["won_budget"], expected_page.money(wanted)


def by_month(c: Client, b: Books) -> tuple[Any, Any]:
    rows = {row["month"][:7]: row["won_budget"] for row in c("sales", show=["months"], **YEAR)["months"]}
    found = expected_page.money_by(b.year, lambda day: f"{day:%Y-%m}")
    return rows, {month: money for month, won, money, lost in found if won or lost}


def in_work(c: Client, b: Books) -> tuple[Any, Any]:
    total = c.total()
    return [total[name] for name in ("live", "live_budget", "dead", "dead_budget")], lives_of(b.now)


QUESTIONS: dict[str, Question] = {
    "How much did we sell last month?": lambda c, b: (c.total(period="last_month")["won_budget"], b.sold(b.december)),
    "How many deals did we win in 2025?": lambda c, b: (c.total(**YEAR)["won"], len(b.won(b.year))),
    "How many new deals came last month?": lambda c, b: (c.total(**DECEMBER)["created"], len(b.december.created())),
    "Which share of closed deals did we win?": lambda c, b: (
        rounded(c.total(**YEAR)["rate_percent"]), percent(expected_page.figures(b.year)["rate"])
    ),
    "What is the average sale?": lambda c, b: (
        c.total(**YEAR)["average"], rounded(expected_page.figures(b.year)["average"])
    ),
    "How long does it take to win a deal?": lambda c, b: (
        c.total(**YEAR)["days_to_win"], expected_page.figures(b.year)["days_to_win"]
    ),
    "How fast is a new deal touched?": lambda c, b: (
        c.total(**YEAR)["first_touch"], expected_page.first_touch(b.year)
    ),
    "Who sold most in 2025?": top_manager,
    "How much did a team sell?": of_a_team,
    "How many deals were won in a pipeline?": of_a_pipeline,
    "How much was sold of a source?": of_a_source,
    "How much did we sell in each month?": by_month,
    "How much did we sell by an own field?": of_field,
    "How did yesterday and last week go?": yesterday,
    "On the first of a month: how did the last one end?": ended_first,
    "What has one manager sold?": of_a_manager,
    "Which deals has a manager won?": won_by_manager,
    "Do we meet the plan, and what does each day need?": plan_of_month,
    "What is the forecast?": forecast,
    "How much is in work, alive and dead?": in_work,
    "Which deals are to be closed rather than called?": to_clean_up,
    "Which leads has nobody touched?": untouched,
    "Which large deals stand for 60 days?": stuck_for_long,
    "Which deals have been silent for 30 days?": silent,
    "Which open deals are the largest?": biggest_open,
    "Which deals have a tag?": tagged,
    "How much money was in work on 1 October?": open_in_october,
    "What became of the open money in December?": moved,
    "How many deals are in each stage?": by_stage,
    "Who is this client, by name?": client_by_name,
    "Who is this client, by phone?": client_by_phone,
    "Which deals has this client?": deals_of_client,
    "What is this deal?": a_card,
    "Which stages has this deal gone through?": stages_gone,
    "Where was this deal, and whose, at that time?": stage_then,
    "Why is this deal not where I expect it?": why_not_counted,
    "Whom should a manager turn to first?": first_in_queue,
    "How many clients wait for an answer?": lambda c, b: waiting(c, b, "waiting"),
    "How many deals have no task?": lambda c, b: waiting(c, b, "no_task"),
    "Who has how many overdue tasks?": overdue,
    "Why did December differ from November?": compared,
    "Whose conversion changed in half a year?": conversion_of_managers,
    "Which share of a month's deals is won in three months?": won_within_three_months,
    "In which stage do we lose deals?": worst_stage,
    "For which reasons do we lose, and how much money?": why_lost,
    "Which source brings most deals, and how many are won?": lambda c, b: sources(c, b, 1, 2),
    "How much was sold by each source, whenever it came?": lambda c, b: sources(c, b, 5, 6),
    "How many calls were missed, and by whom?": lambda c, b: counted_calls(c, b, "missed_calls", 3),
    "How many missed calls were called back?": lambda c, b: counted_calls(c, b, "called_back", 4),
    "At which hour do deals come?": busiest_hours,
    "Who calls how much?": made_calls,
    "How many chats were there?": chats,
    "Who waits in a chat now?": unanswered,
    "Do customers come back?": repeat_customers,
    "What do we sell?": goods,
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_has_its_answer_in_two_calls(database: str, known: oracle.Known, question: str) -> None:
    client = Client(database)
    told, wanted = QUESTIONS[question](client, Books(known))
    assert plain(told) == plain(wanted)
    assert 1 <= len(client.calls) <= 2


def test_there_are_fifty() -> None:
    assert len(QUESTIONS) >= 50
