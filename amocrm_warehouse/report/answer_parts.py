"""The SQL of which answers are made: the conditions of a choice, figures, and moves of open money."""

from __future__ import annotations

from amocrm_warehouse.report.metrics import METRICS, ROWS, cases, column, total, totals
from amocrm_warehouse.report.page_queries import CHANGE, CROSSED, MOVES, SOURCE


def of_chosen(rows: str) -> str:
    """Returns SQL that joins the account of each row, and leaves out rows of accounts that are not chosen."""
    return f"inner join chosen on chosen.project_id = {rows}.project_id"


def in_choice(rows: str, user: str | None = "responsible_user_id", pipeline: str | None = "pipeline_id") -> str:
    """Returns the SQL condition that a row of a chosen account is of the choice."""
    conditions = []
    for name, own in (("pipelines", pipeline), ("users", user)):
        if own:
            pair = f"',' || {rows}.project_id || '/' || cast({rows}.{own} as varchar) || ','"
            conditions.append(f"(${name} is null or position({pair} in ${name}) > 0)")
    if rows == "deals":
        conditions.append(f"($source is null or {SOURCE} = $source)")
    return " and ".join(conditions) or "true"


def in_period(day: str) -> str:
    """Returns the SQL condition that a day or a moment by the account's clock is in the period."""
    return f"{day} >= chosen.since and {day} < chosen.after"


USER_NAME = "case when {id} = 0 then 'robot' else coalesce(users.name, '№ ' || cast({id} as varchar)) end"


def counts_in(metric: str, pipeline: str | None = "pipeline_id") -> str:
    """Returns the SQL condition that a row is of the choice and counts in the metric."""
    one = METRICS[metric]
    if one.share:
        return counts_in(one.share[1], pipeline)
    conditions = [where] if (where := ROWS.get(one.of, {}).get("where")) else []
    if one.day:
        conditions.append(in_period(column(one.of, one.day)))
    return " and ".join([*conditions, in_choice(one.of, one.who, pipeline)])


def month(metric: str) -> str:
    one = METRICS[metric]
    return f"cast(date_trunc('month', {column(one.of, one.day or '')}) as date)"


OF_DEALS = in_choice("deals", user=None)
OWNER = "case when deals.stage_kind in ('won', 'lost') then deals.closer_id else deals.responsible_user_id end"
"""SQL of whose a deal is: a closed one is of whoever was responsible then."""
FIGURES = (
    "created",
    "first_touch",
    "won",
    "won_budget",
    "lost",
    "rate",
    "average",
    "days_to_win",
    "open",
    "open_budget",
    "live",
    "live_budget",
    "dead",
    "dead_budget",
)
"""The metrics of deals in the overview."""
CASES = {
    name: f"{name}_of" if METRICS[name].is_average else "won" if METRICS[name].sum else name
    for name in FIGURES
    if METRICS[name].share or METRICS[name].day
}
"""By metric of the days: the column of the overview that says how many deals the metric is of."""


def figures(names: tuple[str, ...] = FIGURES) -> str:
    """Returns SQL of metrics of deals and of the plan, a row per currency."""
    together: dict[str, list[str]] = {}
    for name in names:
        together.setdefault(counts_in(name), []).append(name)
    parts = [
        f"left join (select chosen.purse, {totals(*of)}{cases_of(of)} from amocrm_marts.deals {of_chosen('deals')} "
        f"where {where} group by 1) as part_{at} on part_{at}.purse = purses.purse"
        for at, (where, of) in enumerate(together.items())
    ]
    part_of = {name: f"part_{at}" for at, of in enumerate(together.values()) for name in of}
    averages = [name for name in names if METRICS[name].is_average]
    shown = [f"{part_of[n]}.{n}" if n in averages else f"coalesce({part_of[n]}.{n}, 0) as {n}" for n in names]
    shown += [f"coalesce({part_of[n]}.{n}_of, 0) as {n}_of" for n in averages]
    return f"""
        select purses.currency, {", ".join(shown)}, planned.plan, planned.plan_won_budget
        from (select distinct purse, currency from chosen) as purses
        {" ".join(parts)}
        left join (
            select chosen.purse, sum(plan) as plan, sum(won_budget) filter (where plan is not null) as plan_won_budget
            from amocrm_marts.sales_plan as plans {of_chosen("plans")}
            where chosen.has_plans and {in_period("month")} and $pipelines is null and $source is null
                and {in_choice("plans", pipeline=None)}
            group by 1
        ) as planned on planned.purse = purses.purse
        order by purses.currency, purses.purse
    """


def cases_of(names: list[str]) -> str:
    """Returns SQL of how many deals each average of these metrics is of, as further columns of a select."""
    return "".join(f", {cases(name)} as {name}_of" for name in names if METRICS[name].is_average)


def moved() -> str:
    """Returns SQL of the open money at both ends of the period, and of its moves."""
    earlier, in_days = "moves.day < chosen.since", in_period("moves.day")
    sums = {name: f"sum(moves.{name}) filter (where {in_days})" for name in (*MOVES, *CROSSED)}
    sums |= {"at_start": f"sum({CHANGE}) filter (where {earlier})", "at_end": f"sum({CHANGE})"}
    came, went = "deals_new + deals_back + deals_in", "deals_out + deals_won + deals_lost + deals_deleted"
    return f"""
        select
            moves.project_id, chosen.currency, moves.pipeline_id,
            coalesce(pipelines.pipeline_name, '#' || cast(moves.pipeline_id as varchar)) as pipeline_name,
            moves.responsible_user_id as user_id, {USER_NAME.format(id="moves.responsible_user_id")} as manager,
            {", ".join(f"case when accounts.budgets_known then coalesce({sums[n]}, 0) end as {n}" for n in sums)}
        from amocrm_staging.int_money_moves as moves {of_chosen("moves")}
        inner join amocrm_staging.int_accounts as accounts on accounts.project_id = moves.project_id
        left join (
            select project_id, pipeline_id, max(pipeline_name) as pipeline_name from amocrm_staging.stg_statuses
            group by 1, 2
        ) as pipelines
            on pipelines.project_id = moves.project_id and pipelines.pipeline_id = moves.pipeline_id
        left join amocrm_staging.stg_users as users
            on users.project_id = moves.project_id and users.user_id = moves.responsible_user_id
        where moves.day < chosen.after and moves.day <= accounts.today and {in_choice("moves")}
        group by 1, 2, 3, 4, 5, 6, accounts.budgets_known
        having sum({came}) > coalesce(sum({went}) filter (where {earlier}), 0)
        order by 1, 3, 5
    """


def won_of_created(group: str) -> str:
    """Returns SQL of the deals that were created and how many of them are won, by a column of deals."""
    return f"""
        select
            deals.project_id, chosen.currency, {group}, {total("created")} as deals,
            {totals("won_of_created", "source_rate", "won_of_created_budget")}
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("created")}
        group by 1, 2, 3
        order by 1, 3 nulls last
    """
