"""The queries that the assistant alone asks, over the marts and the common table `chosen`."""

from __future__ import annotations

from amocrm_warehouse.report.answer_parts import (
    OF_DEALS,
    USER_NAME,
    counts_in,
    in_choice,
    in_period,
    month,
    of_chosen,
)
from amocrm_warehouse.report.metrics import ROWS, column, join_deals, total, totals
from amocrm_warehouse.report.page_queries import CHANGED, IS_DEACTIVATED, SOURCE

COHORT_MONTHS = (0, 1, 2, 3, 6, 12)
AGES = {"under_7_days": (0, 7), "7_to_30_days": (7, 30), "30_to_90_days": (30, 90), "over_90_days": (90, 10**9)}
"""Ages of open deals in their stage, from so many days to less than so many."""
NOW = "(select max(built_at) from amocrm_marts.freshness)"


def team(rows: str, user: str) -> str:
    """Returns SQL of the name of the user's present team."""
    return (
        "(select teams.name from amocrm_staging.stg_users as users inner join amocrm_staging.stg_groups as teams "
        "on teams.project_id = users.project_id and teams.group_id = users.group_id "
        f"where users.project_id = {rows}.project_id and users.user_id = {rows}.{user})"
    )


def sold_by(name: str, key: str, number: str = "cast(null as bigint)", number_name: str = "id") -> str:
    """Returns SQL of deals closed in the period by one column, and by the id of whatever has that name."""
    return f"""
        select
            deals.project_id, chosen.currency, {key} as {name}, {number} as {number_name},
            {totals("won", "won_budget", "lost", "rate", "average")}
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("won")}
        group by 1, 2, 3, 4, chosen.purse
        order by chosen.purse, won_budget desc, won desc, 3, 4
    """


def talks_by(name: str, key: str, waiting: bool = True) -> str:
    """Returns SQL of the period's conversations by one column; if `waiting`, with all in which a client waits now."""
    by = {"person": "answered_by_person", "robot": "answered_by_robots_alone", None: "not_answered"}
    answered = ", ".join(
        f"count(*) filter (where answered_by {'is null' if who is None else f'= {chr(39)}{who}{chr(39)}'}) as {shown}"
        for who, shown in by.items()
    )
    rows = f"from amocrm_marts.conversations {of_chosen('conversations')} {join_deals('conversations')}"
    of_period = f"""
        select
            conversations.project_id, {key} as {name}, {totals("talks", "first_response")}, {answered}, 0 as unanswered
        {rows} where {counts_in("talks", None)} and {OF_DEALS} group by 1, 2
    """
    of_now = f"""
        select conversations.project_id, {key}, 0, null, 0, 0, 0, {total("unanswered")}
        {rows} where {counts_in("unanswered", None)} and {OF_DEALS} group by 1, 2 having {total("unanswered")} > 0
    """
    sums = ", ".join(f"sum({shown}) as {shown}" for shown in by.values())
    return f"""
        select
            project_id, {name}, sum(talks) as talks, max(first_response) as first_response, {sums}
            {", sum(unanswered) as unanswered" if waiting else ""}
        from ({of_period} {f"union all {of_now}" if waiting else ""}) as facts
        group by 1, 2
        order by 1, {"3 desc, 8 desc, 2" if waiting else "2"}
    """


CREATED = column("deals", "created")
CLOSED = column("deals", "closed")
ENDS = {months: f"cast(deals.month + interval '{months + 1} month' as date)" for months in COHORT_MONTHS}
"""The first day after so many months past the month of creation."""

QUERIES: dict[str, str] = {
    "by_manager": sold_by(
        "manager",
        "coalesce(deals.closer_name, '№ ' || cast(deals.closer_id as varchar))",
        "deals.closer_id",
        "user_id",
    ),
    "by_team": sold_by("team", team("deals", "closer_id")),
    "by_pipeline": sold_by(
        "pipeline_name",
        "coalesce(deals.pipeline_name, '#' || cast(deals.pipeline_id as varchar))",
        "deals.pipeline_id",
        "pipeline_id",
    ),
    "by_source": sold_by("source", SOURCE),
    "created_by_source": f"""
        select deals.project_id, {SOURCE} as source, {total("created")} as created
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("created")}
        group by 1, 2
        order by 1, 3 desc, 2
    """,
    "sources_by_month": f"""
        select
            chosen.purse, chosen.currency, deals.project_id, {SOURCE} as source, {month("created")} as month,
            {totals("created", "won_of_created", "won_of_created_budget")}, {total("open")} as still_open, 0 as won,
            0 as won_budget
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("created")}
        group by 1, 2, 3, 4, 5
        union all
        select
            chosen.purse, chosen.currency, deals.project_id, {SOURCE}, {month("won")}, 0, 0, 0, 0,
            {totals("won", "won_budget")}
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("won")}
        group by 1, 2, 3, 4, 5
    """,
    "teams": f"""
        select
            facts.project_id, chosen.currency, facts.team, sum(won) as won, sum(won_budget) as won_budget,
            sum(lost) as lost, max(rate) as rate, max(average) as average,
            sum(overdue) as overdue, sum(stale) as stale
        from (
            select
                deals.project_id, {team("deals", "closer_id")} as team,
                {totals("won", "won_budget", "lost", "rate", "average")}, 0 as overdue, 0 as stale
            from amocrm_marts.deals {of_chosen("deals")}
            where {counts_in("won")}
            group by 1, 2
            union all
            select tasks_open.project_id, {team("tasks_open", "responsible_user_id")}, 0, 0, 0, null, null,
                {total("overdue")}, 0
            from amocrm_marts.tasks_open {of_chosen("tasks_open")} {join_deals("tasks_open")}
            where {counts_in("overdue", None)} and {OF_DEALS}
            group by 1, 2
            union all
            select deals.project_id, {team("deals", "responsible_user_id")}, 0, 0, 0, null, null, 0, {total("stale")}
            from amocrm_marts.deals {of_chosen("deals")}
            where {counts_in("stale")}
            group by 1, 2
            having {total("stale")} > 0
        ) as facts
        {of_chosen("facts")}
        group by facts.project_id, chosen.currency, chosen.purse, facts.team
        order by chosen.purse, won_budget desc, won desc, 1, 3
    """,
    "stays": f"""
        select
            stays.project_id, stays.pipeline_id, stays.status_id,
            cast(floor(greatest(
                coalesce(stays.seconds, extract(epoch from ({NOW} - stays.from_at))), 0
            ) / 8640.0) as bigint) as lasted,
            stays.to_at is not null as is_over
        from amocrm_marts.deal_stage_history as stays
        inner join amocrm_marts.deals as deals
            on deals.project_id = stays.project_id and deals.deal_id = stays.deal_id
        {of_chosen("deals")}
        where not deals.is_deleted and stays.from_at is not null and stays.stage_kind in ('open', 'unsorted')
            and {in_period("deals.created_at_local")} and {in_choice("deals", pipeline=None)}
            and {in_choice("stays", user=None)}
    """,
    "open_by_age": f"""
        select
            deals.project_id, chosen.currency, deals.pipeline_id,
            coalesce(deals.pipeline_name, '#' || cast(deals.pipeline_id as varchar)) as pipeline_name,
            coalesce(deals.status_name, '#' || cast(deals.status_id as varchar)) as stage,
            {total("open")} as deals, {total("open_budget")} as budget,
            {totals("live", "live_budget", "dead", "dead_budget")},
            {
        ", ".join(
            f"count(*) filter (where floor(extract(epoch from ({NOW} - stays.from_at)) / 86400) >= "
            f"{low if low else -(10**9)} and floor(extract(epoch from ({NOW} - stays.from_at)) / 86400) < {high}) "
            f'as "{name}"'
            for name, (low, high) in AGES.items()
        )
    },
            count(*) filter (where stays.from_at is null) as age_unknown
        from amocrm_marts.deals {of_chosen("deals")}
        left join amocrm_marts.deal_stage_history as stays
            on stays.project_id = deals.project_id and stays.deal_id = deals.deal_id and stays.is_last
        where {counts_in("open")} and deals.stage_kind in ('open', 'unsorted')
        group by 1, 2, 3, 4, 5, deals.status_id
        order by 1, 3, 6 desc, 5
    """,
    "cohorts": f"""
        select
            deals.project_id, deals.currency, deals.month, {total("created")} as deals,
            {totals("won_of_created", "won_of_created_budget")},
            {
        ", ".join(
            f"case when {end} <= deals.today then cast(count(*) filter (where deals.stage_kind = 'won' and "
            f"deals.closed_on < {end}) as double precision) / count(*) end as won_within_{months}_months_share"
            for months, end in ENDS.items()
        )
    }
        from (
            select
                deals.*, chosen.purse, accounts.today, {CLOSED} as closed_on,
                cast(date_trunc('month', {CREATED}) as date) as month
            from amocrm_marts.deals {of_chosen("deals")}
            inner join amocrm_staging.int_accounts as accounts on accounts.project_id = deals.project_id
            where {counts_in("created")}
        ) as deals
        group by 1, 2, 3, deals.purse, deals.today
        order by deals.purse, 1, 3
    """,
    "plans_at_today": f"""
        select
            plans.project_id, chosen.currency, plans.month, plans.responsible_user_id as user_id,
            plans.responsible_name as manager, plans.plan, plans.plan_so_far, plans.won_budget, accounts.today
        from amocrm_marts.sales_plan as plans {of_chosen("plans")}
        inner join amocrm_staging.int_accounts as accounts on accounts.project_id = plans.project_id
        where plans.plan is not null and {in_period("plans.month")} and {in_choice("plans", pipeline=None)}
        order by chosen.purse, 1, 3, 6 desc, 4
    """,
    "hours": f"""
        select
            touches.project_id, cast(extract(isodow from touches.touched_at_local) as integer) as weekday,
            cast(extract(hour from touches.touched_at_local) as integer) as hour, count(*) as actions
        from amocrm_staging.int_touches as touches {of_chosen("touches")}
        left join amocrm_marts.deals as deals
            on deals.project_id = touches.project_id
            and deals.deal_id = case when touches.entity_type = 'deal' then touches.entity_id end
        where touches.is_person and {in_period("touches.touched_at_local")} and {OF_DEALS}
            and {in_choice("touches", "person", None)}
        group by 1, 2, 3
        order by 1, 2, 3
    """,
    "forecast_stages": f"""
        select
            stages.project_id, chosen.currency, pipeline_id, pipeline_name, status_name as stage, age, deals, budget,
            chance_0 as chance_this_month_share, expected_0 as expected_this_month, expected_1 as expected_next_month,
            expected_2 as expected_in_two_months
        from amocrm_marts.forecast_stages as stages {of_chosen("stages")}
        where {in_choice("stages", user=None)} and $users is null
        order by chosen.purse, 1, expected_0 desc, 3, 5, 6
    """,
    "capped_deals": f"""
        select
            capped.project_id, chosen.currency, capped.deal_id, capped.name as deal,
            capped.pipeline_id, capped.pipeline_name, capped.status_name as stage, capped.responsible_name as manager,
            capped.budget, capped.budget_cap
        from amocrm_marts.capped_deals as capped {of_chosen("capped")}
        where {in_choice("capped", user=None)} and $users is null
        order by chosen.purse, capped.budget desc, 1, 3
    """,
    "freshness": f"""
        select
            known.project_id, source_table as "table", is_there as was_read, row_count as rows,
            deleted_count as deleted_rows, newest_at as newest_at_utc
        from amocrm_marts.freshness as known {of_chosen("known")}
        where is_there or is_used
        order by 1, 2
    """,
    "completeness": f"""
        select
            known.project_id, source_table as "table", verified_at as verified_at_utc, is_whole as looked_at_whole,
            looked_at, rows_in_account, rows_in_database, missing, extra, stale, unequal, unequal_columns,
            changed_since, failure, last_read_at as last_read_at_utc, rows_read, listed_at as listed_at_utc,
            listed_missing, listed_extra
        from amocrm_marts.completeness as known {of_chosen("known")}
        order by 1, coalesce(missing + extra + stale + unequal, 0) + coalesce(listed_missing, 0) desc, 2
    """,
    "source_names": f"""
        select deals.project_id, {SOURCE} as source, count(*) as deals
        from amocrm_marts.deals {of_chosen("deals")}
        where {ROWS["deals"]["where"]} and {SOURCE} is not null
        group by 1, 2
        order by 1, 3 desc, 2
    """,
    "everybody": f"""
        select users.project_id, users.user_id, users.name as manager, teams.name as team,
            not {IS_DEACTIVATED} as is_present_user
        from amocrm_staging.stg_users as users {of_chosen("users")}
        left join amocrm_staging.stg_groups as teams
            on teams.project_id = users.project_id and teams.group_id = users.group_id
        union all
        select removed.project_id, removed.user_id, {USER_NAME.format(id="removed.user_id")}, null, false
        from (
            select project_id, responsible_user_id as user_id from amocrm_marts.deals
            union
            select project_id, closer_id from amocrm_marts.deals
        ) as removed
        {of_chosen("removed")}
        left join amocrm_staging.stg_users as users
            on users.project_id = removed.project_id and users.user_id = removed.user_id
        where users.user_id is null and removed.user_id <> 0
        order by 1, 3, 2
    """,
    "talks_by_channel": talks_by("channel", "conversations.channel"),
    "talks_by_hour": talks_by("hour", "cast(extract(hour from conversations.started_at_local) as integer)", False),
    "incoming_chats": f"""
        select
            conversations.project_id, conversations.responsible_user_id as user_id, {totals("talks", "first_response")},
            count(*) filter (where answered_by = 'person') as answered,
            count(*) filter (where answered_by is null or answered_by <> 'person') as not_answered
        from amocrm_marts.conversations {of_chosen("conversations")} {join_deals("conversations")}
        where {counts_in("talks", None)} and {OF_DEALS}
        group by 1, 2
    """,
    "incoming_calls": f"""
        select
            calls.project_id, calls.manager_id as user_id, max(calls.manager_name) as manager, count(*) as calls_in,
            count(*) filter (where calls.is_missed) as missed_calls,
            count(*) filter (where calls.is_missed and calls.called_back_at is null) as missed_and_left
        from amocrm_marts.calls as calls {of_chosen("calls")}
        left join amocrm_marts.deals as deals
            on deals.project_id = calls.project_id
            and deals.deal_id = case when calls.entity_type = 'deal' then calls.entity_id end
        where calls.direction = 'in' and {in_period("calls.created_at_local")}
            and {in_choice("calls", "manager_id", None)} and {OF_DEALS}
        group by calls.project_id, calls.manager_id, case when calls.manager_id is null then calls.manager_name end
    """,
    "incoming_deals": f"""
        select
            deals.project_id, deals.responsible_user_id as user_id, {total("created")} as new_deals,
            count(deals.seconds_to_first_response) as touched,
            {totals("first_touch")},
            count(*) filter (where deals.first_response_at is null and deals.stage_kind in ('open', 'unsorted'))
                as untouched_and_open
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("created")}
        group by 1, 2
    """,
    "at_once": f"""
        select
            changes.project_id, chosen.currency, changes.author_id as user_id, changes.author_name as manager,
            changes.first_changed_at_local as began_at_local, changes.kind, changes.field_name as field,
            changes.entity_type, changes.cards as changed_cards, pairs.pairs as from_to, changes.money,
            changes.usual_cards, changes.is_news
        from amocrm_marts.mass_changes as changes {of_chosen("changes")}
        left join ({CHANGED}) as pairs
            on pairs.project_id = changes.project_id and pairs.change_id = changes.change_id
        where {in_period("changes.first_changed_at_local")} and {in_choice("changes", "author_id", None)}
        order by changes.is_news desc, changes.first_changed_at_local desc, changes.change_id
    """,
    "incoming_waiting": f"""
        select waiting.project_id, waiting.responsible_user_id as user_id, count(*) as waiting_now,
            max(waiting.days) as longest_wait_days
        from amocrm_marts.today as waiting {of_chosen("waiting")}
        where waiting.reason = 'waiting' and {in_choice("waiting")}
        group by 1, 2
    """,
}
