"""The report's queries over the marts, in SQL that DuckDB and PostgreSQL both understand.

`{since}` is the first day shown, `{built_at}` the moment that the marts describe (UTC), `{tenth}` the seconds in a
tenth of a day, the page's unit of durations.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, datetime

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.metrics import ROWS, column, join_deals, totals

CLOCK = """
    select max(built_at) as built_at, min(today) as today, min(synced_at) as synced_at
    from amocrm_marts.freshness
    inner join amocrm_staging.int_accounts using (project_id)
"""
"""The moment of the build, the earliest of the accounts' days then, and the oldest of their last syncs."""


def cautions(run: Run, projects: Collection[str] | None = None) -> list[tuple[str, dict[str, str]]]:
    """Returns what makes all numbers of accounts wrong: the key of a sentence of `Words`, and its values.

    `projects`: None for all.
    """
    rows = run("select project_id, account_id, is_unfinished from amocrm_staging.int_accounts order by 1")[1]
    chosen = [row for row in rows if projects is None or row[0] in projects]
    of_account: dict[int | None, list[str]] = {}
    for project, account, _ in chosen:
        of_account.setdefault(account, []).append(project)
    return [
        *(("caution.unfinished", {"project": project}) for project, _, is_unfinished in chosen if is_unfinished),
        *(
            ("caution.one_account", {"projects": ", ".join(same)})
            for account, same in of_account.items()
            if account is not None and len(same) > 1
        ),
    ]


def built_at(run: Run) -> datetime:
    """Returns the moment of the build (UTC)."""
    _, [(moment, _, _)] = run(CLOCK)
    found: datetime = moment
    return found


IS_DEACTIVATED = "coalesce(not users.is_active, false)"
"""SQL of whether a user's access to the account is switched off. The name says so; medians of people leave it out."""
IS_DOUBLE = """exists (
    select 1 from amocrm_staging.stg_users as others
    where others.project_id = users.project_id and others.name = users.name and others.user_id <> users.user_id
)"""
"""SQL of whether another user of the account has the user's name. Then the id stands beside it."""
IS_DOUBLE_PIPELINE = """exists (
    select 1 from amocrm_staging.stg_statuses as others
    where others.project_id = stages.project_id and others.pipeline_name = stages.pipeline_name
        and others.pipeline_id <> stages.pipeline_id
)"""
"""SQL of whether another pipeline of the account has the pipeline's name, as IS_DOUBLE."""
ACCOUNT = """
    coalesce(accounts.name || case when exists (
        select 1 from amocrm_staging.int_accounts as others
        where others.name = accounts.name and others.project_id <> accounts.project_id
    ) then ' (' || accounts.project_id || ')' else '' end, accounts.project_id)
"""
"""SQL of an account's name for a person: with its project if others have the name, its project if it has no name."""
BY = "select distinct name from amocrm_marts.own_fields where is_by order by name"
"""Names of the field of deals that `--by` chose; accounts may name it differently."""
FIRST_DAYS = (
    "select project_id, cast(least(min(created_at_local), min(closed_at_local)) as date) from amocrm_marts.deals "
    "where not is_deleted group by project_id",
    "select project_id, min(month) from amocrm_marts.sales_plan where plan is not null group by project_id",
)
"""Each account's first day of deals, and its first month of plans."""


def first_months(run: Run, unbuilt: Collection[str] = ()) -> dict[str, date]:
    """Returns the first day of each account's first month with deals or plans. `unbuilt`: missing models."""
    found: dict[str, date] = {}
    for sql in FIRST_DAYS:
        for project, day in [] if needs(sql) & set(unbuilt) else run(sql)[1]:
            if day:
                found[project] = min(day.replace(day=1), found.get(project, day))
    return found


LISTED_MONTHS = 3
"""The months before the build whose closed deals the page's lists name, besides all open ones."""
QUEUE_SHOWN = 10
"""The most cards of the queue that the page holds for each pipeline and manager."""
REASONS = {
    "untouched": ("calls", "messages", "tasks"), "no_task": ("tasks",), "slow": ("deal_statuses",),
    "waiting": ("messages", "talks"), "overdue_task": ("tasks",),
}  # fmt: skip
"""Reasons to wait, each with the tables without which it is unknown."""
TOUCHES = ("calls", "messages")
"""The tables that show whether a person has called or written."""
ACTIVITY = ("calls", "messages", "notes", "tasks", "deal_statuses", "events")
"""The tables that show whether something has happened in a deal."""

GAINS = ("came_new", "came_back", "priced", "grew", "moved_in")
LOSSES = ("shrank", "moved_out", "left_won", "left_lost", "left_deleted")
CHANGE = f"{' + '.join(GAINS)} - {' - '.join(LOSSES)}"
MOVES = (*GAINS, *LOSSES)
"""How open money comes, changes and goes."""
CROSSED = ("from_other_pipelines", "to_other_pipelines", "from_other_managers", "to_other_managers")
"""The parts of `moved_in` and `moved_out` that are of another pipeline, and those of another user."""

SOURCE = "coalesce(deals.source_name, deals.utm_source)"
PHONES = "case when reason = 'missed_call' then text else deals.main_contact_phones end"
"""SQL of the phones of a card of the queue. Those that were replaced by hashes are left out."""
CHANGED = """
    select
        project_id, change_id, string_agg(
            coalesce(left(before, 60), '–') || ' → ' || coalesce(left(after, 60), '–')
                || ': ' || cast(cards as varchar),
            '; ' order by nth
        ) as pairs
    from (
        select
            project_id, change_id, before, after, count(*) as cards, row_number() over (
                partition by project_id, change_id order by count(*) desc, coalesce(before, ''), coalesce(after, '')
            ) as nth
        from amocrm_marts.mass_change_cards
        where before is not null or after is not null
        group by 1, 2, 3, 4
    ) as counted
    where nth <= 3
    group by 1, 2
"""
"""SQL of the three most frequent pairs of values before and after of each mass change, as one text."""
OPTIONS = {
    "tag": """
        select deals.project_id, deals.deal_id, cast(null as bigint) as field, cast(null as varchar) as name,
            tags.name as value
        from amocrm_staging.stg_deal_tags as tags
        inner join amocrm_marts.deals on deals.project_id = tags.project_id and deals.deal_id = tags.deal_id
        where tags.name is not null
        order by deals.project_id, deals.deal_id, tags.name
    """,
    "field": """
        select
            fields.project_id, fields.entity_id as deal_id, fields.custom_field_id as field, fields.name, fields.value
        from amocrm_marts.entity_fields as fields
        inner join (
            select distinct project_id, custom_field_id
            from amocrm_staging.int_own_field_options
            where entity_type = 'deal'
        ) as listed
            on listed.project_id = fields.project_id and listed.custom_field_id = fields.custom_field_id
        where fields.entity_type = 'deal' and fields.value is not null
        order by fields.project_id, fields.custom_field_id, fields.entity_id, fields.value_index
    """,
    "source": f"""
        select
            deals.project_id, deals.deal_id, cast(null as bigint) as field, cast(null as varchar) as name,
            {SOURCE} as value
        from amocrm_marts.deals
        where {SOURCE} is not null
        order by deals.project_id, deals.deal_id
    """,
}
"""The options by which the page filters deals: their tags, their custom fields with options, and their sources."""

QUERIES = {
    "accounts": f"""
        select
            accounts.project_id, {ACCOUNT} as name, accounts.domain, accounts.currency, accounts.time_zone,
            accounts.today, accounts.stale_days, accounts.dead_days, accounts.built_by, accounts.stages_known,
            accounts.owners_known, accounts.budgets_known, accounts.is_never_synced,
            max(freshness.synced_at) as synced_at,
            {
        ", ".join(
            f"count(*) filter (where freshness.is_there and freshness.source_table in ({', '.join(map(repr, tables))}))"
            f" = {len(tables)} as knows_{name}"
            for name, tables in {"activity": ACTIVITY, "touches": TOUCHES, **REASONS}.items()
        )
    }
        from amocrm_staging.int_accounts as accounts
        inner join amocrm_marts.freshness as freshness on freshness.project_id = accounts.project_id
        group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
        order by 1
    """,
    "people": f"""
        select
            users.project_id, users.user_id, users.name, users.group_id, teams.name as team,
            {IS_DEACTIVATED} as is_deactivated, {IS_DOUBLE} as is_double, exists (
                select 1 from amocrm_staging.stg_users as others
                where others.name = users.name and others.project_id <> users.project_id
            ) as is_namesake
        from amocrm_staging.stg_users as users
        left join amocrm_staging.stg_groups as teams
            on teams.project_id = users.project_id and teams.group_id = users.group_id
        order by users.project_id, users.name, users.user_id
    """,
    "stages": f"""
        select
            project_id, pipeline_id,
            pipeline_name || case when {IS_DOUBLE_PIPELINE} then ' (' || cast(pipeline_id as varchar) || ')' else '' end
                as pipeline_name,
            status_id, status_name, status_sort, stage_kind
        from amocrm_staging.stg_statuses as stages
        order by project_id, pipeline_sort, pipeline_id, status_sort, status_id
    """,
    "deals": f"""
        select
            deals.project_id, deals.deal_id, deals.pipeline_id, deals.status_id, deals.stage_kind,
            {column("deals", "created")} as created, {column("deals", "closed")} as closed,
            deals.responsible_user_id, deals.closer_id, deals.budget,
            case when deals.stage_kind = 'won' then {column("deals", "days_to_win")} end as days_to_win,
            {column("deals", "touch_minutes")} as touch_minutes,
            {column("deals", "working_touch_minutes")} as working_touch_minutes,
            {SOURCE} as source, {{by}} as by_value,
            {column("deals", "hour_of_week")} as hour_of_week, {column("deals", "speed")} as speed, deals.is_repeat,
            case when deals.stage_kind = 'lost' then deals.loss_reason end as reason,
            case when deals.stage_kind in ('open', 'unsorted') then case
                when stays.from_at is null then 4
                when stays.from_at > timestamp '{{built_at}}' - interval '7 days' then 0
                when stays.from_at > timestamp '{{built_at}}' - interval '30 days' then 1
                when stays.from_at > timestamp '{{built_at}}' - interval '90 days' then 2
                else 3
            end end as age,
            deals.is_live, deals.is_stale, deals.is_dead, deals.days_without_activity
        from amocrm_marts.deals
        left join amocrm_marts.deal_stage_history as stays
            on stays.project_id = deals.project_id and stays.deal_id = deals.deal_id and stays.is_last
        where {ROWS["deals"]["where"]} and (
            deals.stage_kind in ('open', 'unsorted') or deals.created_at_local >= date '{{since}}'
            or deals.ended_at_local >= date '{{since}}'
        )
        order by deals.project_id, deals.created_at_local, deals.deal_id
    """,
    # what the lists behind numbers say of open deals, and of those closed lately
    "cards": f"""
        select
            deals.project_id, deals.deal_id, deals.name,
            coalesce(nullif(deals.main_contact_name, ''), deals.company_name) as client,
            case when deals.is_stale then activity.open_tasks end as open_tasks
        from amocrm_marts.deals
        left join amocrm_staging.int_deal_activity as activity
            on activity.project_id = deals.project_id and activity.deal_id = deals.deal_id
        where {ROWS["deals"]["where"]} and (
            deals.stage_kind in ('open', 'unsorted') or deals.ended_at_local
                >= greatest(timestamp '{{built_at}}' - interval '{LISTED_MONTHS} months', date '{{since}}')
        )
        order by deals.project_id, deals.created_at_local, deals.deal_id
    """,
    "ways": """
        select
            ways.project_id, ways.deal_id, ways.pipeline_id, ways.furthest_sort, ways.was_unsorted,
            ways.lost_from_status_id
        from amocrm_staging.int_deal_ways as ways
        inner join amocrm_marts.deals as deals on deals.project_id = ways.project_id and deals.deal_id = ways.deal_id
        where not deals.is_deleted and deals.created_at_local >= date '{since}'
        order by ways.project_id, deals.created_at_local, ways.deal_id, ways.pipeline_id
    """,
    "stays": """
        select
            stays.project_id, stays.deal_id, stays.pipeline_id, stays.status_id,
            cast(floor(greatest(
                coalesce(stays.seconds, extract(epoch from (timestamp '{built_at}' - stays.from_at))), 0
            ) / {tenth}) as bigint) as lasted,
            stays.to_at is not null as is_over
        from amocrm_marts.deal_stage_history as stays
        inner join amocrm_marts.deals as deals
            on deals.project_id = stays.project_id and deals.deal_id = stays.deal_id
        where not deals.is_deleted and stays.from_at is not null and stays.stage_kind in ('open', 'unsorted')
            and deals.created_at_local >= date '{since}'
        order by stays.project_id, stays.pipeline_id, stays.status_id, deals.created_at_local, stays.deal_id,
            stays.position
    """,
    "plans": """
        select project_id, month, responsible_user_id, plan, plan_so_far, won_budget
        from amocrm_marts.sales_plan
        where plan is not null and month >= date '{since}'
        order by project_id, month, responsible_user_id
    """,
    "queue": f"""
        select
            ranked.project_id, ranked.pipeline_id, ranked.responsible_user_id, place, urgency, entity_type, entity_id,
            entity_name as name, coalesce(nullif(deals.main_contact_name, ''), deals.company_name) as client,
            case when {PHONES} ~ '^[0-9 +(),.-]+$' then {PHONES} end as phone, ranked.pipeline_name, ranked.status_name,
            reason, reasons, case when reason = 'task' then text end as task,
            case when reason = 'task' then since_at_local end as due,
            working_minutes, days, usual_days, ranked.budget, cards
        from (
            select
                queue.*, row_number() over (whose order by place) as nth, count(*) over whose as cards
            from amocrm_marts.queue
            window whose as (partition by project_id, pipeline_id, responsible_user_id)
        ) as ranked
        left join amocrm_marts.deals
            on deals.project_id = ranked.project_id and ranked.entity_type = 'deal' and deals.deal_id = ranked.entity_id
        where nth <= {QUEUE_SHOWN}
        order by ranked.project_id, ranked.responsible_user_id, place
    """,
    "untouched": """
        select project_id, pipeline_id, responsible_user_id, count(*) as deals, max(working_minutes) as working_minutes
        from amocrm_marts.queue
        where reason = 'untouched'
        group by 1, 2, 3
        order by 1, 2, 3
    """,
    # the cards that wait; an open deal has its name and stage in the tables of deals
    "today": f"""
        select
            today.project_id, today.pipeline_id, today.responsible_user_id, today.entity_type, today.entity_id,
            case when today.entity_id is null then today.item_id end as task_id,
            max(case when deals.deal_id is null then today.entity_name end) as name,
            max(case when deals.deal_id is null then today.status_name end) as status_name, max(today.budget) as budget,
            string_agg(distinct reason, ' ' order by reason) as reasons, max(days) as days,
            {", ".join(f"count(*) filter (where reason = '{reason}') as {reason}" for reason in REASONS)}
        from amocrm_marts.today as today
        left join amocrm_marts.deals as deals
            on deals.project_id = today.project_id and today.entity_type = 'deal' and deals.deal_id = today.entity_id
            and deals.stage_kind in ('open', 'unsorted') and not deals.is_deleted
        group by 1, 2, 3, 4, 5, 6
        order by coalesce(max(today.budget), 0) desc, coalesce(max(days), -1) desc, 4, 5, 6, 1, 3
    """,
    "talks": f"""
        select
            conversations.project_id, deals.pipeline_id, conversations.responsible_user_id, conversations.channel,
            {column("conversations", "began")} as began,
            cast(extract(hour from conversations.started_at_local) as integer) as hour,
            {column("conversations", "minutes")} as minutes, conversations.answered_by, conversations.is_unanswered
        from amocrm_marts.conversations {join_deals("conversations")}
        where (conversations.started_at_local >= date '{{since}}' or conversations.is_unanswered)
            and {ROWS["conversations"]["where"]}
        order by conversations.project_id, conversations.started_at_local, conversations.talk_id
    """,
    "calls": f"""
        select
            calls.project_id, deals.pipeline_id, {column("calls", "called")} as day,
            calls.manager_id as responsible_user_id,
            {totals("incoming_calls", "missed_calls", "called_back", "back_within_hour")}
        from amocrm_marts.calls {join_deals("calls")}
        where calls.direction = 'in' and calls.created_at_local >= date '{{since}}'
        group by 1, 2, 3, 4
        order by 1, 3, 2, 4
    """,
    "callbacks": f"""
        select
            calls.project_id, deals.pipeline_id, {column("calls", "called")} as day,
            calls.manager_id as responsible_user_id, {column("calls", "back_minutes")} as back_minutes
        from amocrm_marts.calls {join_deals("calls")}
        where calls.called_back_at is not null and calls.created_at_local >= date '{{since}}'
        order by 1, 3, 2, 4, 5
    """,
    "moved": f"""
        select
            project_id, day, pipeline_id, responsible_user_id,
            {", ".join(f"nullif({name}, 0) as {name}" for name in (*MOVES, *CROSSED))}, at_end
        from (
            select
                moves.*, lead(moves.day) over of_group as next_day, sum({CHANGE}) over of_group as at_end
            from amocrm_staging.int_money_moves as moves
            inner join amocrm_staging.int_accounts as accounts on accounts.project_id = moves.project_id
            where accounts.budgets_known
            window of_group as (
                partition by moves.project_id, moves.pipeline_id, moves.responsible_user_id order by moves.day
            )
        ) as moves
        where day >= date '{{since}}' or (at_end <> 0 and coalesce(next_day, date '{{since}}') >= date '{{since}}')
        order by project_id, day, pipeline_id, responsible_user_id
    """,
    "goods": """
        select
            project_id, pipeline_id, responsible_user_id, cast(sold_at_local as date) as day, name as good,
            entity_type = 'customer' as is_purchase, coalesce(transaction_id, entity_id) as sale, quantity, amount_now
        from amocrm_marts.goods_sold
        where sold_at_local >= date '{since}'
        order by project_id, sold_at_local, entity_type, sale, catalog_element_id
    """,
    "forecast": """
        select
            project_id, months_back, months_ahead, month, pipeline_id, sold_so_far, from_open, from_new, expected, low,
            high, sold, sold_month_before, budget_cap
        from amocrm_marts.forecast
        where months_back = 0 or months_ahead = 0
        order by project_id, pipeline_id, months_back desc, months_ahead
    """,
    "capped_deals": """
        select project_id, deal_id, name
        from amocrm_marts.capped_deals
        order by project_id, budget desc, deal_id
    """,
    "forecast_stages": """
        select project_id, pipeline_id, status_id, age, deals, budget, chance_0, expected_0, expected_1, expected_2
        from amocrm_marts.forecast_stages
        order by project_id, pipeline_id, status_id, age
    """,
    # what the open deals of each person will bring this month
    "outlook": """
        select project_id, pipeline_id, responsible_user_id, sum(expected) as expected
        from amocrm_staging.int_forecast_chances
        where months_back = 0 and months_ahead = 0
        group by 1, 2, 3
        order by 1, 2, 3
    """,
    "tasks": f"""
        select
            tasks_open.project_id, deals.pipeline_id, tasks_open.responsible_user_id, count(*) as tasks,
            {totals("overdue")}
        from amocrm_marts.tasks_open {join_deals("tasks_open")}
        group by 1, 2, 3
        order by 1, 2, 3
    """,
    "work": """
        select
            project_id, day, user_id as responsible_user_id, case when user_id is null then user_name end as name_alone,
            calls_in, calls_out, talk_seconds, messages, notes, stage_moves, tasks_done
        from amocrm_marts.manager_activity
        where day >= date '{since}'
            and greatest(calls_in, calls_out, talk_seconds, messages, notes, stage_moves, tasks_done) > 0
        order by 1, 2, 3, 4
    """,
    "hours": """
        select
            touches.project_id, deals.pipeline_id, cast(date_trunc('month', touches.touched_at_local) as date) as month,
            touches.person as responsible_user_id,
            cast(24 * (extract(isodow from touches.touched_at_local) - 1) + extract(hour from touches.touched_at_local)
                as integer) as hour_of_week,
            count(*) as touches
        from amocrm_staging.int_touches as touches
        left join amocrm_marts.deals as deals
            on deals.project_id = touches.project_id
            and deals.deal_id = case when touches.entity_type = 'deal' then touches.entity_id end
        where touches.is_person and touches.touched_at_local >= date '{since}'
        group by 1, 2, 3, 4, 5
        order by 1, 2, 3, 4, 5
    """,
    "at_once": f"""
        select
            changes.project_id, cast(changes.first_changed_at_local as date) as day,
            changes.first_changed_at_local as began, changes.author_id as responsible_user_id, changes.kind,
            changes.field_name, changes.cards, pairs.pairs, changes.money, changes.is_news
        from amocrm_marts.mass_changes as changes
        left join ({CHANGED}) as pairs
            on pairs.project_id = changes.project_id and pairs.change_id = changes.change_id and changes.is_news
        where changes.first_changed_at_local >= date '{{since}}'
        order by changes.project_id, changes.first_changed_at_local desc, changes.change_id
    """,
    "freshness": f"""
        select
            freshness.project_id, {ACCOUNT} as account, accounts.time_zone as zone, source_table, is_there, is_used,
            row_count, deleted_count, newest_at
        from amocrm_marts.freshness
        inner join amocrm_staging.int_accounts as accounts on accounts.project_id = freshness.project_id
        order by freshness.project_id, source_table
    """,
    "verified": """
        select
            project_id, source_table, verified_at, looked_at, is_whole, failure is not null as has_failed,
            missing + extra + stale + unequal as differences
        from (
            select completeness.*, max(verified_at) over (partition by project_id) as last_verified_at
            from amocrm_marts.completeness
        ) as found
        where verified_at = last_verified_at
        order by project_id, source_table
    """,
    "unlisted": """
        select project_id, source_table, listed_missing
        from amocrm_marts.completeness
        where listed_missing > 0
        order by project_id, source_table
    """,
}


def needs(sql: str) -> set[str]:
    """Returns the models that a query reads."""
    return set(re.findall(r"amocrm_(?:marts|staging)\.(\w+)", sql))
