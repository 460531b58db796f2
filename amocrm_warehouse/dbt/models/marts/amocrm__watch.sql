{#
    What is out of habit: each day of the last year beside the same weekdays of the eight weeks before, and the week that ends on that day
    beside the weeks before it. Only days as busy are compared: with as many days of work in them. A day is judged once a sync that began
    after its end has read the table, and once there are eight weeks before it.

    Usual is the median; its range leaves out the lowest and the highest of the eight. A number is out of habit if it is far from both:
    a sixth of the range's low end or less, and `least_below` below the median; or three ranges above the high end, twice the median, and
    `least_above` above it. A share of empty fields is if it is a fifth above the median, fifteen hundredths above the range, and five
    standard errors above chance. The number of users, as the syncs of a day read it, is if it is by three and by a fifth below the low
    end, or by a quarter above the high one; where no sync read them, nobody knows. It is news if nothing of the same was out of habit in
    the same direction within the seven days before.

    A token is news within fourteen days of its end, a disk with less than a gigabyte, or that fills within two weeks as it did in four.
#}
{% set tables = {
    "deals": ("int_amocrm__deals", "began_at_local"), "contacts": ("stg_amocrm__contacts", "created_at_local"),
    "companies": ("stg_amocrm__companies", "created_at_local"), "tasks": ("stg_amocrm__tasks", "created_at_local"),
    "notes": ("stg_amocrm__notes", "created_at_local"), "calls": ("stg_amocrm__calls", "created_at_local"),
    "messages": ("stg_amocrm__messages", "created_at_local"), "events": ("stg_amocrm__events", "created_at_local")
} %}
{% set least = {"rows": (10, 20), "minutes": (none, 30), "requests": (none, 2000)} %}
{% set of_syncs = "'minutes', 'requests', 'users'" %}
{% set subject = "project_id, measure, source_table, field_id" %}
with syncs as (
    {{ raw("syncs", {
        "started_at": "time", "ended_at": "time", "tables": "json", "requests": "int", "disk_free": "int", "token_expires_at": "time"
    }, of_stream=false) }}
),

-- a deal's fields are judged when it is closed, because people fill them on the way
cards as (
    select project_id, 'deals' as source_table, deal_id as entity_id, cast(ended_at_local as date) as day
    from {{ ref("amocrm__deals") }}
    where ended_at_local is not null and not is_deleted

    union all

    select project_id, 'contacts', contact_id, cast(created_at_local as date)
    from {{ ref("stg_amocrm__contacts") }}
    where created_at_local is not null and not is_deleted
),

filled as (
    select project_id, 'deals' as source_table, deal_id as entity_id, custom_field_id from {{ ref("stg_amocrm__custom_fields_deals") }}
    union
    select project_id, 'contacts', contact_id, custom_field_id from {{ ref("stg_amocrm__custom_fields_contacts") }}
),

cards_of_days as (
    select project_id, source_table, day, count(*) as cases from cards group by project_id, source_table, day
),

-- PostgreSQL misjudges how large a part of this statement is, and would join two by comparing all rows; so rows are put together by group by
cards_of_fields as (
    select fields.project_id, cards.source_table, cards.day, fields.custom_field_id, cards.cases, cast(0 as bigint) as filled
    from {{ ref("int_amocrm__own_fields") }} as fields
    inner join cards_of_days as cards
        on cards.project_id = fields.project_id
        and cards.source_table = case fields.entity_type when 'deal' then 'deals' when 'contact' then 'contacts' end
    where not fields.is_deleted_field

    union all

    select cards.project_id, cards.source_table, cards.day, filled.custom_field_id, 0, count(*)
    from cards
    inner join filled
        on filled.project_id = cards.project_id and filled.source_table = cards.source_table and filled.entity_id = cards.entity_id
    group by cards.project_id, cards.source_table, cards.day, filled.custom_field_id
),

counted as (
    {% for table, (model, moment) in tables.items() %}
    select
        project_id, 'rows' as measure, '{{ table }}' as source_table, cast(0 as bigint) as field_id, cast({{ moment }} as date) as day,
        cast(count(*) as double precision) as value, cast(null as bigint) as cases
    from {{ ref(model) }}
    where {{ moment }} is not null
    group by project_id, cast({{ moment }} as date)

    union all

    {% endfor %}
    {% for measure, value in [
        ("minutes", "sum(" ~ seconds_between("started_at", "ended_at") ~ ") / 60.0"), ("requests", "sum(requests)"),
        ("users", "max(cast(tables ->> 'users' as bigint))")
    ] %}
    select project_id, '{{ measure }}', 'syncs', 0, cast(started_at_local as date), cast({{ value }} as double precision), null
    from syncs
    group by project_id, cast(started_at_local as date)
    having {{ value }} is not null

    union all

    {% endfor %}
    select project_id, 'empty', source_table, custom_field_id, day, cast(sum(cases) - sum(filled) as double precision), cast(sum(cases) as bigint)
    from cards_of_fields
    group by project_id, source_table, custom_field_id, day
    having sum(cases) > 0
),

known as (
    select
        accounts.project_id, counted.measure, counted.source_table, counted.field_id, min(counted.day) as first_day,
        case
            when counted.source_table = 'syncs' then accounts.today
            else least(accounts.today, cast({{ local_moment("coalesce(reads.last_read_at, freshness.synced_at)", "accounts.time_zone") }} as date))
        end as open_day
    from counted
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = counted.project_id
    left join {{ ref("amocrm__freshness") }} as freshness
        on freshness.project_id = counted.project_id and freshness.source_table = counted.source_table
    left join {{ ref("int_amocrm__table_syncs") }} as reads
        on reads.project_id = counted.project_id and reads.source_table = counted.source_table
    where counted.source_table = 'syncs' or coalesce(reads.last_read_at, freshness.synced_at) is not null
    group by
        accounts.project_id, counted.measure, counted.source_table, counted.field_id, accounts.today, accounts.time_zone,
        reads.last_read_at, freshness.synced_at
),

days_of_known as (
    select
        known.*, days.day, case when days.is_working_day then 1 else 0 end as work, cast(null as double precision) as value,
        cast(null as bigint) as cases
    from known
    inner join {{ ref("int_amocrm__working_days") }} as days
        on days.day >= greatest(known.first_day, known.open_day - 428) and days.day < known.open_day

    union all

    select {{ subject }}, null, null, day, null, value, cases
    from counted
),

daily as (
    select
        {{ subject }}, max(first_day) as first_day, max(open_day) as open_day, day, max(work) as work,
        coalesce(max(value), case when measure <> 'users' then 0 end) as value, coalesce(max(cases), 0) as cases
    from days_of_known
    group by {{ subject }}, day
    having max(work) is not null
),

weekly as (
    select
        {{ subject }}, first_day, open_day, day,
        sum(work) over of_week as work, sum(value) over of_week as value, sum(cases) over of_week as cases
    from daily
    window of_week as (partition by {{ subject }} order by day rows between 6 preceding and current row)
),

spans as (
    select {{ subject }}, first_day, open_day, day, 1 as days, work, value, cast(null as bigint) as cases
    from daily
    where measure <> 'empty'

    union all

    select
        {{ subject }}, first_day, open_day, day, 7,
        case when measure = 'rows' then work else 0 end,
        case when measure = 'empty' then value / nullif(cases, 0) else value end,
        case when measure = 'empty' then cast(cases as bigint) end
    from weekly
    where measure in ('rows', 'empty') and day >= first_day + 6
),

-- no day is missing in `spans`, so the eight rows before are the eight weeks; a join would compare each day with each other one
beside as (
    select
        *, array_agg(value) over weeks as values_before, array_agg(work) over weeks as works_before, array_agg(cases) over weeks as cases_before
    from spans
    window weeks as (partition by {{ subject }}, days, extract(isodow from day) order by day rows between 8 preceding and 1 preceding)
),

before as (
    select {{ subject }}, day, days, value, cases, values_before[back] as value_before
    from beside
    cross join (values {% for back in range(1, 9) %}({{ back }}){{ ", " if not loop.last }}{% endfor %}) as weeks(back)
    where day >= first_day + 55 + days and day > open_day - 367 and value is not null
        and (works_before[back] = work or measure in ({{ of_syncs }}))
        and (measure <> 'empty' or cases >= 20 and cases_before[back] >= 10)
),

judged as (
    select
        {{ subject }}, day, days, value, cases,
        {{ median("value_before") }} as usual,
        percentile_disc(0.25) within group (order by value_before) as usual_low,
        percentile_disc(0.25) within group (order by value_before desc) as usual_high
    from before
    group by {{ subject }}, day, days, value, cases
    having count(value_before) >= 6
),

directed as (
    select
        *,
        case measure
            {% for measure, (below, above) in least.items() %}
            when '{{ measure }}' then case
                {% if below %}when value * 6 <= usual_low and usual - value >= {{ below }} then 'low'{% endif %}

                when value > usual_high + 3 * (usual_high - usual_low) and value >= 2 * usual and value - usual >= {{ above }} then 'high'
            end
            {% endfor %}
            when 'users' then case
                when value <= 0.8 * usual_low and usual - value >= 3 then 'low' when value >= 1.25 * usual_high and value - usual >= 3 then 'high'
            end
            else case
                when value >= usual + 0.2 and value >= usual_high + 0.15
                    and value - usual >= 5 * sqrt(greatest(usual * (1 - usual), 0.05) / cases) then 'high'
            end
        end as direction
    from judged
)

select
    now.project_id,
    now.day,
    now.measure,
    now.source_table,
    nullif(now.field_id, 0) as custom_field_id,
    fields.name as field_name,
    cast(now.days as bigint) as days,
    now.value as measured,
    now.cases,
    now.usual,
    now.usual_low,
    now.usual_high,
    now.direction,
    now.direction is not null
        and coalesce(lag(now.day) over (partition by now.project_id, now.measure, now.source_table, now.field_id, now.direction order by now.day, now.days) < now.day - 7, true) as is_news
from directed as now
left join {{ ref("int_amocrm__own_fields") }} as fields
    on fields.project_id = now.project_id and fields.custom_field_id = now.field_id
    and fields.entity_type = case now.source_table when 'deals' then 'deal' else 'contact' end

union all

select
    accounts.project_id, accounts.today, 'token', 'syncs', null, null, cast(1 as bigint),
    cast(greatest({{ days_between(now(), "syncs.token_expires_at") }}, 0) as double precision), null, null, null, null, null,
    syncs.token_expires_at <= {{ now() }} + interval '14 days'
from {{ ref("int_amocrm__accounts") }} as accounts
inner join (select *, row_number() over (partition by project_id order by started_at desc) as nth from syncs) as syncs
    on syncs.project_id = accounts.project_id and syncs.nth = 1
where syncs.token_expires_at is not null

union all

select
    accounts.project_id, accounts.today, 'disk', 'syncs', null, null, cast(28 as bigint), disks.free, null, disks.taken, null, null, null,
    disks.free < 1 or coalesce(disks.free * 2 <= disks.taken, false)
from {{ ref("int_amocrm__accounts") }} as accounts
inner join (
    select
        project_id,
        max(case when nth_last = 1 then disk_free end) / 1e9 as free,
        (
            max(case when nth = 1 and started_at < last_started_at - interval '27 days' then disk_free end)
            - max(case when nth_last = 1 then disk_free end)
        ) / 1e9 as taken
    from (
        select
            *,
            row_number() over (partition by project_id order by started_at) as nth,
            row_number() over (partition by project_id order by started_at desc) as nth_last
        from (
            select project_id, disk_free, started_at, max(started_at) over (partition by project_id) as last_started_at
            from syncs
            where disk_free is not null
        ) as measured
        where started_at >= last_started_at - interval '28 days'
    ) as recent
    group by project_id
) as disks on disks.project_id = accounts.project_id
