"""The tools of `source-amocrm mcp`, each a declaration: its purpose, its arguments, and the tables of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amocrm_warehouse.assistant import answer_rows as shapes
from amocrm_warehouse.assistant.answer_rows import Asking, Row, compared, with_links
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
    """ARGUMENTS, beside `limit` and `kilobytes`, which every tool takes, and `project` (see `of_all`)."""
    dated: str | Mapping[str, str] | None = None
    """What puts a row into the days asked for, of each table where they differ. None: the tool takes no days."""
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
    by_months: bool = False
    """Whether the tool counts whole months, so that its days are widened to them."""
    rows: int = 50
    """The most rows of each table, unless `limit` names another number."""

    @property
    def arguments(self) -> tuple[str, ...]:
        days = ("period", "since", "until") if self.dated else ()
        before = ("before_since", "before_until") if self.is_compared else ()
        project = () if self.of_all else ("project",)
        return (*project, *self.takes, *days, *before, "limit", "kilobytes")


OF_PEOPLE = ("manager", "team")
OF_DEALS = ("pipeline", *OF_PEOPLE, "source")
CLOSING = "the day of closing; a sale belongs to the user who was responsible then"
CREATION = "the day of creation; the responsible user is the present one"
COMING = "chats: the day they began; calls: the day of the call; deals: the day of creation"
ACT = "the day of the act"
OF_PLAN = "the month of the plan; sales by the day of closing"
NOW = "overdue and stale are as of now, whatever the days."
WIDENED = "Days are widened to whole months, which covers names."
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
        "Start here if a name is not certain: accounts (currency, time zone, today), pipelines with their stages, "
        "people with their teams, and sources of deals. Other tools take these names or ids.",
        {"accounts": "accounts", "pipelines": "pipelines", "people": "people", "sources": "source_names"},
        (), rows=500,
        reads=("statuses", "users", "groups"),
    ),
    "sales_overview": Tool(
        "How much was sold: deals created, won and lost, money, share won, average sale, days to win, plan, and open "
        "deals now, one row per currency; then by month of closing. For “why more or less than before” use "
        "compare_periods.",
        {"total": "figures", "months": "money"}, OF_DEALS,
        "won, lost, money: the day of closing; created: the day of creation",
        notes=("open and open_budget are as of now, whatever the days.",
               "plan is null unless the days are whole months of all pipelines; plan_won_budget are the sales of those "
               "who have a plan, in its months: compare the plan with this, never with won_budget."),
        reads=(*CLOSER, *TOUCHES),
    ),
    "compare_periods": Tool(
        "Why sales rose or fell: two periods side by side, in total, by manager, team, pipeline and source, with deals "
        "created and reasons of loss, the greatest changes first. causes splits the change of money into fewer or more "
        "sales and a lower or higher average sale. Like is compared with like: an unfinished period with the same days "
        "of the one before. For “last month” give period=last_month.",
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
    ),
    "plan": Tool(
        "Plan and pace: the plan, sales and share done by month and by manager, and for the present month what the "
        f"plan asks for by today and what is left to sell (* is everybody with a plan). {WIDENED}",
        {"pace": shapes.pace, "months": shapes.plan_months, "managers": shapes.plan_managers}, OF_PEOPLE,
        OF_PLAN, by_months=True,
        notes=(PLAN, "won_budget and plan_won_budget are the sales of those who have a plan for the month.",
               "pace is of the present month, whatever the days; it gives every day the same part of the plan."),
        reads=CLOSER,
    ),
    "managers": Tool(
        "Sales by manager: won, money, lost, share won, average; overdue tasks and stale deals now. Highest sales "
        "first.",
        {"managers": "managers"}, ("pipeline", *OF_PEOPLE), CLOSING, notes=(NOW,),
        reads=(*CLOSER, *ACTIVITY),
    ),
    "teams": Tool(
        "Sales by team (group of users): won, money, lost, share won, average; overdue tasks and stale deals now.",
        {"teams": "teams"}, ("pipeline", *OF_PEOPLE), CLOSING,
        notes=(NOW, "A user's team is the present one; null is everybody without a team, removed users too."),
        reads=(*CLOSER, *ACTIVITY, "groups"),
    ),
    "funnel": Tool(
        "Where deals are lost: of the deals created in the days, how many reached each stage, share of the stage "
        "before and of all, lost from there, days within which half leave the stage, and deals there now.",
        {"stages": shapes.funnel}, OF_DEALS, CREATION, rows=100,
        notes=("The last stage is won: deals that are won now, whenever that was.",
               "lost_here is null if the moves of deals were not read.",
               "A stage named by its number (№) is one that the account no longer has: lost_here alone is known."),
        reads=("deal_statuses", "statuses"),
    ),
    "loss_reasons": Tool(
        "Why deals are lost: lost deals and their money by reason, the most frequent first (null: no reason given); "
        "and the same by month.",
        {"reasons": shapes.reasons, "months": "reasons_by_month"}, OF_DEALS, CLOSING,
        reads=("loss_reasons", *CLOSER),
    ),
    "what_moved": Tool(
        "What became of the open money between the start and the end of the days, by pipeline and manager: at_start "
        "+ came_new + came_back + priced + grew + moved_in - shrank - moved_out - left_won - left_lost - left_deleted "
        "= at_end.",
        {"moved": shapes.moved}, ("pipeline", *OF_PEOPLE),
        "the day of each change",
        notes=("left_won are deals that were won then, with their budgets of that moment, also if they were opened "
               "again later: it may differ from the sales.",
               "priced are budgets given to open deals that had none; deals often come without one.",
               "moved_in and moved_out are deals that went from one pipeline or manager to another. In sums by "
               "pipeline take from_other_pipelines and to_other_pipelines instead, in sums by manager "
               "from_other_managers and to_other_managers: the equation holds with them, too.",
               "A pipeline or manager without any open deal in the days is left out; null: changes of budgets were "
               "not read."),
        rows=100,
        reads=("deal_statuses", "deal_sale_changes", "deal_responsible_changes", "users", "statuses"),
    ),
    "new_and_repeat": Tool(
        "Deals of new and of repeat customers (is_repeat): created in the days, and what is won of them now.",
        {"customers": "repeat"}, OF_DEALS, CREATION,
        notes=("A customer is repeat if the main contact or the company had won a deal before this one began; null: "
               "the deal has neither.",),
    ),
    "goods": Tool(
        "What is sold: goods of the deals won and of the purchases made in the days, by present prices.",
        {"goods": "goods"}, ("pipeline", *OF_PEOPLE), "the day of winning or of the purchase", rows=100,
        notes=("amoCRM keeps no price of the sale: amount_now is the quantity times the present price, null if that is "
               "not known.",),
        reads=("deal_catalog_elements", "catalog_elements", "customer_transactions"),
    ),
    "sources": Tool(
        "Where deals come from: deals created in the days by source (null: none), and what is won of them now.",
        {"sources": "sources"}, OF_DEALS, CREATION,
        notes=("won_of_created and source_rate are of the deals created in the days, whenever they were won: they "
               "differ from the sales of the days.",
               "What sources cost is in no mart: the tool costs knows it, if it is there; else it is not known."),
    ),
    "cohorts": Tool(
        "Deals by month of creation: the share won by the end of that month, and 1, 2, 3, 6 and 12 months later. Null: "
        "that month is not over.",
        {"months": "cohorts"}, OF_DEALS, CREATION,
    ),
    "deals": Tool(
        "A list of deals with links: won, lost or created in the days, or open now (state); the highest budgets first. "
        "Use it to show which deals are behind a number.",
        {"deals": with_links("deals", state="state")}, ("state", *OF_DEALS),
        "won and lost: the day of closing; created: the day of creation; open: as of now", needs=("state",), rows=20,
        reads=(*CLOSER, "statuses"),
    ),
    "open_deals": Tool(
        "Open deals now by pipeline and stage: number, money, and for how long they have been in the stage.",
        {"stages": "open_by_age"}, OF_DEALS, rows=100,
        reads=("deal_statuses", "statuses"),
    ),
    "queue": Tool(
        "What to do today: whom to turn to next, the most urgent first, each card once for each manager with its link "
        "and all its reasons: clients who wait for an answer, missed calls that nobody has called back, tasks of open "
        "deals due today or overdue, large slow deals; and how many dead deals are to be closed.",
        {"queue": shapes.queue, "dead": "dead"},
        ("pipeline", *OF_PEOPLE),
        rows=20,
        notes=("Deals in which nothing has happened for long (dead) are no part of the queue: propose to close them.",),
        reads=WAITS,
    ),
    "today": Tool(
        "All that waits: every card once, with link, manager and all its reasons, the highest budgets first; and how "
        "much waits by manager. For whom to turn to first use queue. Reasons: no_task (open deal without a task), slow "
        "(longer in its stage than three quarters of won deals), waiting (a client waits for an answer), overdue_task.",
        {"total": shapes.waiting, "managers": shapes.waiting_by_manager, "cards": shapes.cards},
        ("pipeline", *OF_PEOPLE),
        rows=20,
        notes=("budget is that of open deals alone; a card that is won, lost or no deal has none and comes last.",
               "A number is null if a table that it is counted from was not read: not_read names it."),
        reads=WAITS,
    ),
    "stale_deals": Tool(
        "Open deals in which nothing has happened for a long time and that have no task to come, with links; the "
        "highest budgets first.",
        {"deals": shapes.stale}, ("pipeline", *OF_PEOPLE), rows=20,
        reads=(*ACTIVITY, "users"),
    ),
    "forecast": Tool(
        "Expected sales of the present month and the next two, by pipeline (* is all pipelines), with the interval in "
        "which four of five months lie; how such forecasts did in the last six months (record); what the open deals "
        "will bring.",
        {"forecast": shapes.forecast, "record": shapes.record, "open_deals": shapes.forecast_stages,
         "capped_deals": with_links("capped_deals")}, ("pipeline",),
        notes=("The forecast is of everybody: it takes no manager and no team.",
               "Rows with months_back above 0 are what the forecast would have said so many months ago, beside what "
               "was sold.",
               "What is expected counts a budget above budget_cap as budget_cap. capped_deals have such a budget, "
               "probably mistyped: name them beside the forecast.",
               "expected is null where too few sales are known to tell: say so, and give no number."),
        rows=40,
        reads=("deal_statuses", "deal_sale_changes", "statuses"),
    ),
    "incoming": Tool(
        "How people handle incoming chats, calls and new deals, by manager: first answer, unanswered chats, missed "
        "calls and calls back within an hour, clients who wait now, first touch of new deals and what is won by its "
        "speed, new deals by weekday and hour. worst names who is worst by each measure among people "
        f"with at least {FEW} cases, beside the median of people.",
        {"worst": worst, "managers": incoming, "calls": "calls", "speed": shapes.speed,
         "new_deals": shapes.by_hour("created_by_hour", "deals")}, ("pipeline", *OF_PEOPLE),
        COMING, rows=30,
        notes=("speed is the working time from a deal's creation to a person's first call or message, beside what is "
               "won of these deals now. It is no proof of a cause: who wants to buy may also be touched earlier.",
               f"worst compares present users with at least {FEW} cases; robots, removed and deactivated users "
               "are left out. No single measure says who is worst of all: name the measure.",
               "waiting_now is as of now, whatever the days."),
        reads=("messages", "talks", "calls", "users"),
    ),
    "conversations": Tool(
        "Chats in which a client wrote: number, median minutes to a person's first answer, who waits, and by whom they "
        "were answered; by manager, by channel, and by the hour in which they began.",
        {"managers": "talks", "channels": "talks_by_channel", "hours": "talks_by_hour"}, ("pipeline", *OF_PEOPLE),
        "the day on which the conversation began",
        notes=("unanswered are all clients who wait now, whenever the conversation began: as many as in today.",),
        reads=("messages", "talks", "users"),
    ),
    "activity": Tool(
        "What people did: calls, seconds of talk, messages, notes, moves of deals and tasks done, by user.",
        {"managers": "work"}, OF_PEOPLE, ACT,
        notes=("Robots' calls count too. Activity has no pipelines.",),
        reads=ACTS,
    ),
    "working_hours": Tool(
        "When people work: what they did (calls, messages, notes, moves, tasks done) by weekday and hour of the "
        "account's clock.",
        {"weekdays": shapes.by_hour("hours", "actions")}, ("pipeline", *OF_PEOPLE), ACT,
        reads=ACTS,
    ),
    "manager_card": Tool(
        "One manager in one call: sales, plan of the present month, what was done, how incoming was handled, and what "
        "waits now, the cards with the highest budgets first.",
        {"sales": "managers", "plan": shapes.pace, "activity": "work", "incoming": incoming,
         "queue": shapes.queue, "waiting": shapes.waiting, "cards": shapes.cards},
        ("manager",),
        {"sales": CLOSING, "activity": ACT, "incoming": COMING, "plan": f"the present month; {OF_PLAN}",
         **dict.fromkeys(("queue", "waiting", "cards"), "as of now, whatever the days")},
        needs=("manager",), rows=10, notes=(NOW,),
        reads=(*CLOSER, *WAITS),
    ),
    "deal_as_of": Tool(
        "One deal's stage, responsible user and budget at a moment, or at all times.",
        {"history": shapes.deal}, ("deal_id", "at"), needs=("deal_id",), rows=500,
        notes=("from_at_local and to_at_local are by the account's clock; a null to_at_local lasts until now.",),
        warnings=shapes.without_history,
        reads=("deal_statuses", "deal_responsible_changes", "deal_sale_changes"),
    ),
    "what_was_read": Tool(
        "Which tables of the account are in the database, with rows and the newest of each: why a number may be "
        "missing.",
        {"tables": "freshness"}, (), rows=100,
    ),
    "completeness": Tool(
        "Whether the tables equal the account: what the last `source-amocrm verify` found in each table and when, the "
        "tables that differ first; and which cards of the last list of what exists are missing.",
        {"tables": "completeness"}, (), rows=100,
        means={"missing": "Rows that are live in the account, and in the database not there or deleted.",
               "extra": "Rows that are live in the database, and not in the account; or there once more under the same "
               "key.",
               "stale": "Rows that are older in the database than in the account.",
               "changed_since": "Rows that differed at first, and were equal after the next sync.",
               "unequal": "Rows that were compared in every column, and are different in one of unequal_columns; "
               "all rows, where the table lacks the column."},
        notes=("A row is the last verification of its table, at verified_at_utc; null: no verification has looked at "
               "the table, so nothing proves it. If looked_at_whole is false, only looked_at rows drawn at random were "
               "compared: say so.",
               "listed_missing and listed_extra compare the ids of deals, contacts, companies and customers with the "
               "last list of what exists; listed_extra are mostly merged cards, which the other tools leave out."),
    ),
}  # fmt: skip
SQL_TOOLS: dict[str, Tool] = {
    "schema": Tool(
        "The tables and columns that sql may read; with `table` the columns of one table, with their meaning.",
        {"tables": shapes.schema}, ("table",), of_all=True, rows=500,
    ),
    "sql": Tool(
        "One SELECT over the schemas amocrm_marts and amocrm_staging, and over any other table that this user of the "
        "database may read, as amocrm.amocrm_1001_deals; for what no other tool answers. It can "
        "write nothing, joins no texts and takes twenty seconds at most. schema has the columns of the marts and of "
        "staging. Never add up money of several currencies.",
        {"rows": shapes.selected}, ("select",), of_all=True, needs=("select",), is_counted=False,
        notes=("These rows are of the whole statement: none of the rules of the other tools was applied, and the "
               "tables of the marts hold all accounts. Deleted deals have is_deleted, sales belong to closer_id, "
               "months are by closed_at_local.",),
    ),
}  # fmt: skip


def costs(path: Path) -> Tool:
    """Returns the tool that adds a file of costs to the sources of deals. Raises ValueError as read_costs does."""
    lines = read_costs(path)

    def warnings(ask: Asking) -> list[str]:
        sources = sources_of(ask.run)
        return notes_on_costs(path, named_as_in_deals(lines, sources), sources, [*ask.accounts])

    return Tool(
        "What each source cost and brought: its costs by a file of the person who runs this server, cost of a deal and "
        "of a won deal, and the return (ROMI). The greatest costs first.",
        {"sources": shapes.returns(lines)}, (), CREATION,
        notes=("Of each source only the months that have costs for it count (cost_months), and the deals created in "
               "them, whenever they were won. A source without costs in the days is not here.",
               "Costs are of all people and pipelines, and those without an account of the accounts asked for "
               "together."),
        warnings=warnings,
    )  # fmt: skip
