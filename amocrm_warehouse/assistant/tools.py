"""The tools of `source-amocrm mcp`, each a declaration: its purpose, its arguments, and the tables of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from amocrm_warehouse.assistant import answer_rows as shapes
from amocrm_warehouse.assistant import card_rows as cards
from amocrm_warehouse.assistant import sql_rows
from amocrm_warehouse.assistant.answer_rows import compared
from amocrm_warehouse.assistant.asking import Asking, Row, with_links
from amocrm_warehouse.assistant.incoming import incoming, worst
from amocrm_warehouse.plans_and_costs import named_as_in_deals, notes_on_costs, read_costs
from amocrm_warehouse.report.answers import sources_of
from amocrm_warehouse.report.like_with_like import FEW
from amocrm_warehouse.report.page_queries import ACTIVITY, TOUCHES

Part = str | Callable[[Asking], list[Row]]


@dataclass(frozen=True)
class Tool:
    about: str
    """The text by which an assistant chooses the tool."""
    parts: Mapping[str, Part]
    """The tables of the answer by name: a query, or a function of its rows."""
    takes: tuple[str, ...]
    """ARGUMENTS, beside COMMON, which every tool takes, and `project` (see `of_all`)."""
    dated: str | Mapping[str, str] | None = None
    """Which date decides whether a row is in the period; one per table if they differ. None: the tool takes no days."""
    needs: tuple[str, ...] = ()
    """Arguments without which the tool cannot answer."""
    is_compared: bool = False
    """Whether the answer stands beside a period before."""
    means: Mapping[str, str] = field(default_factory=dict)
    """The meanings of columns that have another one in other answers."""
    notes: tuple[str, ...] = ()
    """The notes of an answer that its columns do not hold."""
    warnings: Callable[[Asking], list[str]] = lambda _: []
    """Notes that depend on the marts."""
    reads: tuple[str, ...] = ()
    """Tables of the connector, of UNREAD, without which a part of the answer is unknown."""
    is_counted: bool = True
    """Whether the answer says of how many rows it shows the first."""
    of_all: bool = False
    """Whether the tool is of all accounts, so that it takes no `project`."""
    empty: Mapping[str, str] = field(default_factory=dict)
    """Why a table has no row, where that is more than the choice: {days} are the days asked for."""
    extra: tuple[str, ...] = ()
    """Tables that come only if `show` names them."""
    only_with: Mapping[str, str] = field(default_factory=dict)
    """Tables that come only with an argument, or if `show` names them."""
    by_months: bool = False
    """Whether the tool counts whole months, so that its days are widened to them."""
    section: str = ""
    """The section of the page that shows the same."""
    rows: int = 50
    """The most rows of each table, unless `limit` names another number."""

    @property
    def arguments(self) -> tuple[str, ...]:
        days = ("period", "since", "until") if self.dated else ()
        before = ("before_since", "before_until") if self.is_compared else ()
        project = () if self.of_all else ("project",)
        return (*project, *self.takes, *days, *before, *COMMON)


COMMON = ("show", "limit", "offset", "kilobytes", "explain")
OF_PEOPLE = ("manager", "team")
OF_DEALS = ("pipeline", *OF_PEOPLE, "source")
CLOSING = "the day of closing; a sale belongs to the user who was responsible then"
CREATION = "the day of creation; the responsible user is the present one"
COMING = "chats: the day they began; calls: the day of the call; deals: the day of creation"
ACT = "the day of the act"
OF_PLAN = "the month of the plan; sales by the day of closing"
NOW = "overdue and stale are as of now, whatever the days."
PLAN = "Plans are of whole months, people and all pipelines together."

UNREAD = {
    "talks": "It is unknown which chats are open: so are clients who wait for an answer.",
    "calls": "Calls, calls back, first touches, stale and dead deals are unknown, not zero.",
    "messages": "Chats, answers, waiting clients, calls back, first touches, stale and dead deals are unknown, not "
    "zero.",
    "notes": "Notes, stale and dead deals are unknown, not zero.",
    "tasks": "Tasks, stale and dead deals are unknown: no task counts as overdue or done, and no deal as one without "
    "a task.",
    "deal_statuses": "Moves of deals are unknown: so are slow, stale and dead deals, forecasts, and the stages of "
    "losses; how far a deal came is known by its present stage alone.",
    "events": "Changes of deals by people are unknown: so are stale and dead deals.",
    "deal_responsible_changes": "Former responsible users are unknown: a sale counts for the present one, and "
    "a history names nobody.",
    "deal_sale_changes": "Former budgets are unknown, not zero: a history has none, and the forecast takes every "
    "open deal for one without a budget.",
    "loss_reasons": "Names of reasons are unknown.",
    "statuses": "Names and order of stages and pipelines are unknown.",
    "users": "Names of users are unknown.",
    "groups": "Teams are unknown.",
    "customer_transactions": "Purchases are unknown, not zero.",
    "deal_catalog_elements": "Goods of deals are unknown, not zero.",
    "catalog_elements": "Names and prices of goods are unknown.",
}
"""The sentence of an answer about a table that was not read."""
CLOSER = ("deal_responsible_changes", "users")
WAITS = (*ACTIVITY, "talks", "users", "statuses")
ACTS = ("calls", "messages", "notes", "tasks", "deal_statuses", "users")

TOOLS: dict[str, Tool] = {
    "directory": Tool(
        "Names and ids for other tools: accounts (currency, time zone, today), pipelines with stages, people with "
        "teams, sources, tags, own fields. By show also what is in the database: read (each table's rows and newest), "
        "completeness (what the last `verify` found: is everything there?).",
        {"accounts": "accounts", "pipelines": "pipelines", "people": "people", "sources": "source_names",
         "tags": "tag_names", "fields": "field_names", "read": "freshness", "completeness": "completeness"},
        (), rows=500, extra=("read", "completeness"),
        reads=("statuses", "users", "groups"),
        means={"missing": "Rows that are live in the account, and in the database not there or deleted.",
               "extra": "Rows that are live in the database, and not in the account; or there once more under the same "
               "key.",
               "stale": "Rows that are older in the database than in the account.",
               "changed_since": "Rows that differed at first, and were equal after the next sync.",
               "unequal": "Rows that were compared in every column, and are different in one of unequal_columns; "
               "all rows, where the table lacks the column.",
               "verified_at_utc": "The last verification of the table; null: none has looked at it, so nothing proves "
               "it. If looked_at_whole is false, only looked_at rows drawn at random were compared.",
               "listed_missing": "Ids of the last list of what exists that are not in the database.",
               "listed_extra": "Ids of the database that are not in that list: mostly merged cards, which other tools "
               "leave out."},
    ),
    "find": Tool(
        "Cards of clients and deals by name (a part is enough), phone, e-mail, id or link, and the deals of the "
        "clients found.",
        {"cards": cards.found, "deals": cards.deals_of_found}, ("query", "kind"), needs=("query",), rows=20,
        warnings=cards.hidden,
        empty={"cards": "No card has all of these words, these digits or this address.",
               "deals": "No contact or company was found that has a deal."},
    ),
    "card": Tool(
        "One deal, contact or company whole: fields, people, deals, tasks, notes, calls, messages (texts if they were "
        "read), stages, history (stage, responsible user and budget at all times, or at a moment), what waits.",
        {"card": cards.head, "fields": cards.of_card("card_fields"),
         "people": cards.of_card("people_of_{kind}", "deal company"),
         "deals": cards.of_card("deals_of_{kind}", "contact company"), "tasks": cards.of_card("card_tasks"),
         "notes": cards.of_card("card_notes", texts="notes"), "calls": cards.of_card("card_calls"),
         "messages": cards.of_card("card_messages", texts="messages"), "stages": cards.of_card("card_stages", "deal"),
         "history": cards.deal, "waits": cards.of_card("card_waits")},
        ("id", "kind", "at"), needs=("id",), rows=50,
        notes=("kind is deal unless it is given. from_at_local and to_at_local are by the account's clock; a null "
               "to_at_local lasts until now.",),
        warnings=cards.without_history,
        reads=("deal_statuses", "deal_responsible_changes", "deal_sale_changes"),
        empty=dict.fromkeys(
            ("fields", "people", "deals", "tasks", "notes", "calls", "messages", "stages", "history", "waits"),
            "The card has none.",
        ),
    ),
    "deals": Tool(
        "Lists deals with links, and the number and money of all of them: by state, stage, tag, source, own field, "
        "budget, days in stage or without activity, untouched. Highest budgets first. Shows what is behind a number.",
        {"deals": cards.deals},
        ("state", *OF_DEALS, "stage", "tag", "field", "value", "budget_from", "budget_to", "days_in_stage",
         "days_without_activity", "untouched", "order"),
        "won and lost: the day of closing; created: the day of creation", rows=20,
        notes=("days_without_activity is of open deals.",),
        reads=(*CLOSER, "statuses", *ACTIVITY),
        section="stuck",
    ),
    "queue": Tool(
        "What to do today. queue: whom to turn to next, the most urgent first; total and managers: how much waits; "
        "cards: all that waits, the highest budgets first; stale: silent open deals; dead: to be closed.",
        {"total": cards.waiting, "queue": cards.queue, "managers": cards.waiting_by_manager, "cards": cards.cards,
         "stale": cards.stale, "dead": "dead"},
        ("pipeline", *OF_PEOPLE), rows=20,
        notes=("queue: clients who wait for an answer, missed calls that nobody has called back, tasks due today or "
               "overdue, large slow deals. Deals in which nothing has happened for long (dead) are no part of it: "
               "propose to close them.",
               "cards: untouched (new lead), no_task (open deal without a task), slow (longer in its stage than three "
               "quarters of won deals), waiting (a client waits for an answer), overdue_task. budget is that of open "
               "deals alone.",
               "A number is null if a table that it is counted from was not read: not_read names it."),
        reads=WAITS,
        empty=dict.fromkeys(("queue", "cards"), "Nothing waits now.") | {"stale": "No open deal is stale now."},
        section="queue",
    ),
    "sales": Tool(
        "How much was sold: deals created, won, lost, money, share won, average sale, plan, open now, live and dead "
        "apart (total); lately: this month (in its first days after the one that ended), the last day of work, last "
        "week; by month, manager, team and, with field, by an own field's values. Why more or less: compare_periods.",
        {"total": "figures", "lately": shapes.lately,
         "months": "money", "managers": "managers", "teams": "teams", "fields": shapes.by_field,
         "beside_team": shapes.beside_team}, (*OF_DEALS, "field"),
        {"total": "won, lost, money: the day of closing; created: the day of creation",
         "lately": "its own days, since to until",
         **dict.fromkeys(("months", "managers", "teams", "fields"), CLOSING)},
        notes=("open, live, dead, overdue and stale are as of now, whatever the days. Dead deals are to be closed: "
               "count on live ones alone.",
               "In lately, won_budget_before is of the days with which the page compares: a month so far with as many "
               "days of work.",
               "plan is null unless the days are whole months of all pipelines; plan_won_budget are the sales of those "
               "who have a plan, in its months: compare the plan with this, never with won_budget.",
               "A user's team is the present one; null is everybody without a team, removed users too."),
        reads=(*CLOSER, *ACTIVITY, "groups"),
        only_with={"fields": "field", "beside_team": "manager"},
        empty={"fields": "Give field to see sales by an own field.",
               "beside_team": "Give one manager to see that person beside everybody."},
        section="figures",
    ),
    "compare_periods": Tool(
        "Why sales rose or fell: two periods side by side, in total, by manager, team, pipeline and source, with deals "
        "created and reasons of loss, the greatest changes first. causes splits the change into fewer or more sales "
        "and a lower or higher average sale. Like is compared with like.",
        {
            "figures": shapes.figures, "causes": shapes.causes, "managers": shapes.beside_median,
            "teams": compared("by_team", "team", "won_budget", "won", "lost"),
            "pipelines": compared("by_pipeline", "pipeline_name", "won_budget", "won", "lost"),
            "sources": compared("by_source", "source", "won_budget", "won", "lost"),
            "created_by_source": compared("created_by_source", "source", "created"),
            "reasons": compared("reasons", "reason", "deals", "lost_budget"),
        }, OF_DEALS,
        "won, lost, money, reasons: the day of closing; created: the day of creation",
        is_compared=True, rows=10,
        notes=("The columns …_before are of compared_with; …_change is now minus before; a change from nothing has no "
               f"share, nor has one from fewer than {FEW} deals: name the numbers instead. A share, a median or an "
               f"average of fewer than {FEW} deals (cases) has no change.",
               "causes: of_number_of_sales + of_average_sale = won_budget_change.",
               "of_median: a manager's sales against the median of the account's present users among them; null for "
               f"robots, removed and deactivated users, and if half of the users sold fewer than {FEW} deals."),
        reads=(*CLOSER, "groups", "loss_reasons", *TOUCHES),
        section="managers",
    ),
    "plan": Tool(
        "Plan, pace and forecast. pace: what the plan asks for by today and what is left to sell (* is everybody with "
        "a plan); plan by month and manager (whole months); forecast of this month and the next two by pipeline (* is "
        "all), its interval (four of five months), its record, and what open deals will bring.",
        {"pace": shapes.pace, "months": shapes.plan_months, "managers": shapes.plan_managers,
         "forecast": shapes.forecast, "record": shapes.record, "open_deals": shapes.forecast_stages,
         "capped_deals": with_links("capped_deals")}, ("pipeline", *OF_PEOPLE),
        {"months": OF_PLAN, "managers": OF_PLAN, "pace": f"the present month; {OF_PLAN}",
         **dict.fromkeys(("forecast", "record", "open_deals"), "as of now, whatever the days")},
        by_months=True, rows=40,
        notes=(PLAN, "In the row of everybody, live deals are as of now; live_of_left: their money in percent of "
               "left_to_sell.", "won_budget and plan_won_budget are the sales of those who have a plan for the month.",
               "pace is of the present month, whatever the days; it gives every day the same part of the plan.",
               "The forecast is of everybody: with a manager or a team it is empty.",
               "Rows with months_back above 0 are what the forecast would have said so many months ago, beside what "
               "was sold.",
               "What is expected counts a budget above budget_cap as budget_cap. capped_deals have such a budget, "
               "probably mistyped: name them beside the forecast.",
               "expected is null where too few sales are known to tell: say so, and give no number."),
        reads=(*CLOSER, "deal_sale_changes", "statuses", *ACTIVITY),
        empty={"pace": "No plan was given for the present month.", "months": "No plan was given for {days}.",
               "managers": "No plan was given for {days}.", "capped_deals": "No open deal has such a budget.",
               **dict.fromkeys(("forecast", "record", "open_deals"), "The forecast is of everybody: leave out manager "
                               "and team. Without it, too few sales are known.")},
        section="forecast",
    ),
    "what_moved": Tool(
        "Open money: what became of it between the start and the end of the days, in total, then by pipeline and "
        "manager (at_start + came_new + came_back + priced + grew + moved_in - shrank - moved_out - left_won - "
        "left_lost - left_deleted = at_end); open: deals and money now by stage and age, or at the end of a past day.",
        {"total": shapes.moved_in_all, "open": shapes.open_in_all, "moved": shapes.moved,
         "stages": shapes.open_stages},
        ("pipeline", *OF_PEOPLE, "source", "day"),
        {"total": "the day of each change", "moved": "the day of each change",
         **dict.fromkeys(("open", "stages"), "the end of day, or now")},
        notes=("left_won are deals that were won then, with their budgets of that moment, also if they were opened "
               "again later: it may differ from the sales.",
               "priced are budgets given to open deals that had none; deals often come without one.",
               "moved_in and moved_out are deals that went from one pipeline or manager to another. In sums by "
               "pipeline take from_other_pipelines and to_other_pipelines instead, in sums by manager "
               "from_other_managers and to_other_managers: the equation holds with them, too.",
               "A pipeline or manager without any open deal in the days is left out; null: changes of budgets were "
               "not read. source chooses open and stages alone."),
        rows=50,
        reads=("deal_sale_changes", "deal_responsible_changes", "users", "statuses", *ACTIVITY),
        empty=dict.fromkeys(
            ("open", "stages"),
            "No deal was open then. At a past day the money is that of all people and sources: leave out manager, team "
            "and source; nothing is known before the first deal, nor after today.",
        ),
        section="moved",
    ),
    "funnel": Tool(
        "Where and why deals are lost. stages: of the deals created in the days how many reached each, lost there, "
        "days within which half leave, deals there now; reasons of loss, and by month; cohorts: the share of a month's "
        "new deals won by its end, and 1, 2, 3, 6, 12 months later (null: not over).",
        {"stages": shapes.funnel, "reasons": shapes.reasons, "months": "reasons_by_month", "cohorts": "cohorts"},
        OF_DEALS,
        {"stages": CREATION, "cohorts": CREATION, "reasons": CLOSING, "months": CLOSING}, rows=50,
        notes=("The last stage is won: deals that are won now, whenever that was.",
               "lost_here is null if the moves of deals were not read.",
               "A stage named by its number (№) is one that the account no longer has: lost_here alone is known.",
               "A null reason: none was given."),
        reads=("deal_statuses", "statuses", "loss_reasons", *CLOSER),
        section="funnel",
    ),
    "sources": Tool(
        "Where deals come from, what is won of them now, and what was sold in the days (won, won_budget), by source "
        "(null: none); new and repeat customers; goods sold, by present prices.",
        {"sources": "sources", "customers": "repeat", "goods": "goods"}, OF_DEALS,
        {"sources": f"{CREATION}; won, won_budget: {CLOSING}", "customers": CREATION,
         "goods": "the day of winning or of the purchase"},
        notes=("won_of_created and source_rate are of the deals created in the days, whenever they were won: they "
               "differ from the sales of the days.",
               "What sources cost is in no mart: the table costs knows it, if it is there; else it is not known.",
               "A customer is repeat if the main contact or the company had won a deal before this one began; null: "
               "the deal has neither.",
               "amoCRM keeps no price of the sale: amount_now is the quantity times the present price, null if that is "
               "not known. goods has no source."),
        reads=("deal_catalog_elements", "catalog_elements", "customer_transactions"),
        section="sources",
    ),
    "incoming": Tool(
        "How people handle incoming chats, calls and new deals: first answer, unanswered, missed, called back, waiting "
        f"now, first touch. worst: who is worst by each measure among people with {FEW} cases or more. By manager, "
        "channel and hour; speed: what is won by the speed of the first touch.",
        {"worst": worst, "managers": incoming, "calls": "calls", "speed": shapes.speed,
         "new_deals": shapes.by_hour("created_by_hour", "deals"), "talks": "talks", "channels": "talks_by_channel",
         "hours": "talks_by_hour"}, ("pipeline", *OF_PEOPLE),
        COMING, rows=30,
        notes=("speed is the working time from a deal's creation to a person's first call or message, beside what is "
               "won of these deals now. It is no proof of a cause: who wants to buy may also be touched earlier.",
               f"worst compares present users with at least {FEW} cases; robots, removed and deactivated users "
               "are left out. No single measure says who is worst of all: name the measure.",
               "waiting_now and unanswered are as of now, whatever the days."),
        reads=("messages", "talks", "calls", "users"),
        empty={"worst": f"Fewer than two people have {FEW} cases, or all are equal."},
        section="incoming",
    ),
    "activity": Tool(
        "What people did: calls, talk, messages, notes, moves, tasks done, by user, and by weekday and hour. at_once: "
        "who (also robots) changed many cards at once, of which part, from what to what; news first, then habit.",
        {"managers": "work", "weekdays": shapes.by_hour("hours", "actions"), "at_once": "at_once"},
        ("pipeline", *OF_PEOPLE), ACT,
        notes=("Robots' calls count too. managers and at_once have no pipelines.",
               "at_once: what source-amocrm changes --undo puts back; money is that of the deals just before."),
        reads=ACTS,
        empty={"at_once": "Nobody changed twenty cards or more at once."},
        section="work",
    ),
    "manager": Tool(
        "One manager: sales, beside everybody's medians, plan of this month, what was done, how incoming was handled, "
        "what waits now.",
        {"sales": "managers", "beside_team": shapes.beside_team, "plan": shapes.pace, "activity": "work",
         "incoming": incoming, "queue": cards.queue, "waiting": cards.waiting, "cards": cards.cards},
        ("manager",),
        {"sales": CLOSING, "activity": ACT, "incoming": COMING, "plan": f"the present month; {OF_PLAN}",
         **dict.fromkeys(("queue", "waiting", "cards"), "as of now, whatever the days")},
        needs=("manager",), rows=10, notes=(NOW,),
        reads=(*CLOSER, *WAITS),
        empty={"plan": "No plan was given for the present month.",
               **dict.fromkeys(("queue", "cards"), "Nothing waits now.")},
        section="people",
    ),
    "why": Tool(
        "Why a deal, contact or company is missing, or does not count where it is expected: what the database holds, "
        "the last syncs, deleted, merged or never read; which marts count it by which rule; the command that mends it.",
        {"why": cards.reasons_why}, ("id", "kind"), needs=("id",),
        notes=("The account itself is asked by: source-amocrm why --config config.json.",),
    ),
}  # fmt: skip
SQL_TOOLS: dict[str, Tool] = {
    "sql": Tool(
        "One SELECT over the schemas amocrm_marts and amocrm_staging, and over any other table that this user of the "
        "database may read, as amocrm.amocrm_1001_deals; for what no other tool answers. Without select: the tables, "
        "or with table its columns. Joins no texts, takes twenty seconds at most. Never add up money of several "
        "currencies.",
        {"rows": sql_rows.selected}, ("select", "table"), of_all=True, is_counted=False, rows=100,
        notes=("These rows are of the whole statement: none of the rules of the other tools was applied, and the "
               "tables of the marts hold all accounts. Deleted deals have is_deleted, sales belong to closer_id, "
               "months are by closed_at_local.",),
    ),
}  # fmt: skip


def with_costs(path: Path) -> Tool:
    """Returns the tool `sources` with what sources cost by a file. Raises ValueError as read_costs does."""
    lines = read_costs(path)

    def warnings(ask: Asking) -> list[str]:
        sources = sources_of(ask.run)
        return notes_on_costs(path, named_as_in_deals(lines, sources), sources, [*ask.accounts])

    of = TOOLS["sources"]
    return replace(
        of,
        about=of.about + " costs: what each source cost by a file, cost of a deal and of a sale, return (ROMI).",
        parts={**of.parts, "costs": shapes.returns(lines)},
        notes=(*of.notes[:1], *of.notes[2:],
               "costs: of each source only the months that have costs for it count (cost_months), and the deals "
               "created in them, whenever they were won. A source without costs in the days is not there. Costs are of "
               "all people and pipelines, and those without an account of the accounts asked for together."),
        warnings=warnings,
    )  # fmt: skip
