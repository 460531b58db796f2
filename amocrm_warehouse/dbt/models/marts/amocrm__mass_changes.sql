{{ config(enabled=var("histories", true)) }}
{#
    What is usual: the cards that the same author changed in the same kind within the same hours, as the median of the fourteen days
    before and of the same weekday of the four weeks before, whichever is more. Days before the account's first change do not count.
#}
with changes as (
    select
        project_id, change_id, kind, entity_type, custom_field_id, author_id,
        min(changed_at) as first_changed_at, max(changed_at) as last_changed_at, count(distinct entity_id) as cards
    from {{ ref("int_amocrm__mass_change_events") }}
    group by project_id, change_id, kind, entity_type, custom_field_id, author_id
),

hourly as (
    select
        project_id, coalesce(author_id, -1) as author, kind, entity_type, coalesce(custom_field_id, -1) as field,
        date_trunc('hour', changed_at) as hour, count(distinct entity_id) as cards
    from {{ ref("int_amocrm__card_changes") }}
    group by 1, 2, 3, 4, 5, 6
),

-- a mass change has an event in each hour that it lasts; hours are found by being equal, because a comparison of all takes minutes
hours as (
    select distinct
        project_id, change_id, coalesce(author_id, -1) as author, kind, entity_type, coalesce(custom_field_id, -1) as field,
        date_trunc('hour', changed_at) as hour
    from {{ ref("int_amocrm__mass_change_events") }}
),

first_changes as (
    select project_id, min(changed_at) as changed_at from {{ ref("int_amocrm__card_changes") }} group by project_id
),

days_before as (
    select days_back, interval '1 day' * days_back as ago, days_back <= 14 as is_recent, days_back in (7, 14, 21, 28) as is_same_weekday
    from (values {% for day in range(1, 15) %}({{ day }}), {% endfor %}(21), (28)) as days(days_back)
),

usual_days as (
    select
        changes.project_id, changes.change_id, days_before.days_back,
        bool_or(days_before.is_recent) as is_recent, bool_or(days_before.is_same_weekday) as is_same_weekday,
        coalesce(sum(hourly.cards), 0) as cards
    from changes
    inner join first_changes on first_changes.project_id = changes.project_id
    inner join days_before on changes.first_changed_at - days_before.ago >= first_changes.changed_at
    inner join hours on hours.project_id = changes.project_id and hours.change_id = changes.change_id
    left join hourly
        on hourly.project_id = hours.project_id
        and hourly.author = hours.author
        and hourly.kind = hours.kind
        and hourly.entity_type = hours.entity_type
        and hourly.field = hours.field
        and hourly.hour = hours.hour - days_before.ago
    group by changes.project_id, changes.change_id, days_before.days_back
),

usual as (
    select
        project_id, change_id,
        greatest(
            coalesce(percentile_cont(0.5) within group (order by case when is_recent then cards end), 0),
            coalesce(percentile_cont(0.5) within group (order by case when is_same_weekday then cards end), 0)
        ) as cards
    from usual_days
    group by project_id, change_id
),

money as (
    select project_id, change_id, sum(money) as money
    from {{ ref("amocrm__mass_change_cards") }}
    group by project_id, change_id
)

select
    changes.project_id,
    changes.change_id,
    changes.kind,
    changes.custom_field_id,
    fields.name as field_name,
    changes.entity_type,
    changes.author_id,
    {{ user_name("users", "changes.author_id") }} as author_name,
    changes.first_changed_at,
    {{ local_moment("changes.first_changed_at", "accounts.time_zone") }} as first_changed_at_local,
    changes.last_changed_at,
    {{ local_moment("changes.last_changed_at", "accounts.time_zone") }} as last_changed_at_local,
    changes.cards,
    money.money,
    accounts.currency,
    coalesce(usual.cards, 0) as usual_cards,
    changes.cards > 3 * coalesce(usual.cards, 0) as is_news
from changes
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = changes.project_id
inner join money on money.project_id = changes.project_id and money.change_id = changes.change_id
left join usual on usual.project_id = changes.project_id and usual.change_id = changes.change_id
left join {{ ref("stg_amocrm__users") }} as users on users.project_id = changes.project_id and users.user_id = changes.author_id
left join {{ ref("int_amocrm__own_fields") }} as fields
    on fields.project_id = changes.project_id
    and fields.entity_type = changes.entity_type
    and fields.custom_field_id = changes.custom_field_id
