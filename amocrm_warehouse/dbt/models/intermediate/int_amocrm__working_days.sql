-- Each day from the year 2000 to three years from now, and how many days of work there are up to it, the day itself among them. People
-- work on the days that the var `working_hours` names, except on those of the var `days_off`.
with days as (
    select {{ days("date '2000-01-01'", "max(today) + 1100") }} as day
    from {{ ref("int_amocrm__accounts") }}
)

select
    cast(day as date) as day,
    {{ is_working_day("day") }} as is_working_day,
    count(*) filter (where {{ is_working_day("day") }}) over (order by day) as working_days
from days
