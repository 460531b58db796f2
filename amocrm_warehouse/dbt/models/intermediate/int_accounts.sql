-- one row a project, also of one whose table `account` was not read
{% for project in var("projects") %}
{% if not loop.first %}union all{% endif %}
select
    cast('{{ project }}' as varchar) as project_id,
    account.account_id,
    account.name,
    account.currency,
    coalesce(account.time_zone, {% if var("time_zone", none) %}'{{ var("time_zone") }}'{% else %}'UTC'{% endif %}) as time_zone
from (select 1 as one) as always
left join {{ ref("stg_account") }} as account on account.project_id = '{{ project }}'
{% endfor %}
