{#
    What is out of habit: each day of the last year beside the same weekdays of the eight weeks before, and the week that ends on that day
    beside the weeks before it. Only days as busy are compared: with as many days of work in them. A day is judged once a sync that began
    after its end has read the table, and once there are eight weeks before it.

    Usual is the median; its range leaves out the lowest and the highest of the eight. A number is out of habit if it is far from both:
    a sixth of the range's low end or less, and `least_below` below the median; or three ranges above the high end, twice the median, and
    `least_above` above it. A share of empty fields is if it is a fifth above the median, fifteen hundredths above the range, and five
    standard errors above chance. It is news if nothing of the same was out of habit in the same direction within the seven days before.

    A token is news within fourteen days of its end, a disk with less than a gigabyte, or that fills within two weeks as it did in four.
#}
{% set tables = {
    "deals": ("int_amocrm__deals", "began_at_local"), "contacts": ("stg_amocrm__contacts", "created_at_local"),
    "companies": ("stg_amocrm__companies", "created_at_local"), "tasks": ("stg_amocrm__tasks", "created_at_local"),
    "notes": ("stg_amocrm__notes", "created_at_local"), "calls": ("stg_amocrm__calls", "created_at_local"),
    "messages": ("stg_amocrm__messages", "created_at_local"), "events": ("stg_amocrm__events", "created_at_local")
} %}
{% set least = {"rows": (10, 20), "minutes": (none, 30), "requests": (none, 2000)} %}
{% set subject = "project_id, measure, source_table, field_id" %}
{% set same = "{0}.project_id = {1}.project_id and {0}.measure = {1}.measure and {0}.source_table = {1}.source_table and {0}.field_id = {1}.field_id" %}
with syncs as (
    {{ raw("syncs", {
        "started_at": "time", "ended_at": "time", "requests": "int", "disk_free": "int", "token_expires_at": "time"
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

filled_of_days as (
    select cards.project_id, cards.source_table, cards.day, filled.custom_field_id, count(*) as cards
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
    {% for measure, value in [("minutes", seconds_between("started_at", "ended_at") ~ " / 60.0"), ("requests", "requests")] %}
    select project_id, '{{ measure }}', 'syncs', 0, cast(started_at_local as date), cast(sum({{ value }}) as double precision), null
    from syncs
    group by project_id, cast(started_at_local as date)
    having sum({{ value }}) is not null

    union all

    {% endfor %}
    select
        fields.project_id, 'empty', cards.source_table, fields.custom_field_id, cards.day,
        cast(cards.cases - coalesce(filled.cards, 0) as double precision), cards.cases
    from {{ ref("int_amocrm__own_fields") }} as fields
    inner join cards_of_days as cards
        on cards.project_id = fields.project_id
        and cards.source_table = case fields.entity_type when 'deal' then 'deals' when 'contact' then 'contacts' end
    left join filled_of_days as filled
        on filled.project_id = fields.project_id and filled.source_table = cards.source_table
        and filled.custom_field_id = fields.custom_field_id and filled.day = cards.day
    where not fields.is_deleted_field
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

daily as (
    select
        known.*, days.day, case when days.is_working_day then 1 else 0 end as work, coalesce(counted.value, 0) as value,
        coalesce(counted.cases, 0) as cases
    from known
    inner join {{ ref("int_amocrm__working_days") }} as days
        on days.day >= greatest(known.first_day, known.open_day - 428) and days.day < known.open_day
    left join counted on {{ same.format("counted", "known") }} and counted.day = days.day
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

judged as (
    select
        {% for column in subject.split(", ") + ["day", "days", "value", "cases"] %}spans.{{ column }}, {% endfor %}
        {{ median("before.value") }} as usual,
        percentile_disc(0.25) within group (order by before.value) as usual_low,
        percentile_disc(0.25) within group (order by before.value desc) as usual_high
    from spans
    inner join spans as before
        on {{ same.format("before", "spans") }} and before.days = spans.days
        and extract(isodow from before.day) = extract(isodow from spans.day)
        and (before.work = spans.work or spans.measure in ('minutes', 'requests'))
        and before.day between spans.day - 56 and spans.day - 7
    where spans.day >= spans.first_day + 55 + spans.days and spans.day > spans.open_day - 367
        and spans.value is not null and (spans.measure <> 'empty' or spans.cases >= 20 and before.cases >= 10)
    group by {% for column in subject.split(", ") + ["day", "days", "value", "cases"] %}spans.{{ column }}{{ ", " if not loop.last }}{% endfor %}

    having count(before.value) >= 6
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
    now.direction is not null and not exists (
        select 1 from directed as before
        where {{ same.format("before", "now") }} and before.direction = now.direction
            and before.day between now.day - 7 and now.day and (before.day < now.day or before.days < now.days)
    ) as is_news
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
