-- The first answer of a person to a deal: the first outgoing call or message on the deal or on its main contact, at or
-- after the moment the deal began. A robot's greeting is no answer. Without the calls or the messages nobody knows which was first.
with answers as (
    select project_id, entity_type, entity_id, touched_at
    from {{ ref("int_amocrm__touches") }}
    where kind in ('call', 'message') and direction = 'out' and is_person
),

-- one join for each id: a database joins fast by equal ids, not by one id or another
answered as (
    {% for entity, column in [("deal", "deal_id"), ("contact", "main_contact_id")] %}
    {% if not loop.first %}union all{% endif %}
    select deals.project_id, deals.deal_id, answers.touched_at
    from {{ ref("int_amocrm__deals") }} as deals
    inner join answers
        on answers.project_id = deals.project_id
        and answers.entity_type = '{{ entity }}'
        and answers.entity_id = deals.{{ column }}
        and answers.touched_at >= deals.began_at
    {% endfor %}
)

select project_id, deal_id, min(touched_at) as first_response_at
from answered
where {{ were_read("project_id", ["calls", "messages"]) }}
group by project_id, deal_id
