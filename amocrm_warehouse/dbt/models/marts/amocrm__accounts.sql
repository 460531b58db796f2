-- One row per account. A name that two accounts have stands with its project, as the report shows it.
select
    accounts.project_id,
    accounts.account_id,
    case
        when accounts.name is null then accounts.project_id
        when count(*) over (partition by accounts.name) > 1 then accounts.name || ' (' || accounts.project_id || ')'
        else accounts.name
    end as name,
    accounts.domain,
    accounts.currency,
    accounts.time_zone,
    accounts.today
from {{ ref("int_amocrm__accounts") }} as accounts
