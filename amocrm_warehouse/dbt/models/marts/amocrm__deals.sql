{{ config(post_hook="{{ amocrm.describe_cells('deal') }}") }}
-- What happens in a deal shows in each of these tables: without one of them, nobody knows whether the deal is stale or dead.
{% set activity_is_known = were_read("deals.project_id", ["calls", "messages", "notes", "tasks", "deal_statuses", "events"]) %}
with own as (
    {{ cells("deal") }}
),

phones as (
    select project_id, entity_id as contact_id, {{ joined_in_order("value", "value_index") }} as phones
    from {{ ref("int_amocrm__phones_emails") }}
    where entity_type = 'contact' and kind = 'phone'
    group by project_id, entity_id
),

tags as (
    select project_id, deal_id, {{ joined_in_order("name", "name") }} as tags
    from {{ ref("stg_amocrm__deal_tags") }}
    group by project_id, deal_id
),

-- the first deal that each contact and company won; one that is dated as closed before it began was won when it began
won as (
    select deals.project_id, deals.main_contact_id, deals.company_id,
        greatest(coalesce(deals.closed_at, stages.from_at), deals.began_at) as won_at
    from {{ ref("int_amocrm__deals") }} as deals
    left join {{ ref("int_amocrm__deal_stages") }} as stages
        on stages.project_id = deals.project_id and stages.deal_id = deals.deal_id and stages.is_last
    where deals.status_id = {{ won_status() }} and not deals.is_deleted
),
{% for client in ["main_contact", "company"] %}
first_of_{{ client }} as (
    select project_id, {{ client }}_id, min(won_at) as won_at
    from won
    where {{ client }}_id is not null
    group by project_id, {{ client }}_id
){{ "," if not loop.last }}
{% endfor %}

select
    deals.project_id,
    deals.deal_id,
    deals.name,
    deals.pipeline_id,
    statuses.pipeline_name,
    deals.status_id,
    statuses.status_name,
    {{ stage_kind("deals.status_id", "statuses") }} as stage_kind,
    stages.from_at_local as in_stage_since_local,
    deals.budget,
    account.currency,
    deals.responsible_user_id,
    {{ user_name("users", "deals.responsible_user_id") }} as responsible_name,
    teams.name as team_name,
    case
        when closers.deal_id is not null then closers.responsible_user_id
        when {{ is_closed("deals.status_id") }} then deals.responsible_user_id
    end as closer_id,
    case
        when closers.deal_id is not null then {{ user_name("closer", "closers.responsible_user_id") }}
        when {{ is_closed("deals.status_id") }} then {{ user_name("users", "deals.responsible_user_id") }}
    end as closer_name,
    case
        when closers.deal_id is not null then 'closing'
        when {{ is_closed("deals.status_id") }} then 'now'
    end as closer_as_of,
    deals.main_contact_id,
    contacts.name as main_contact_name,
    phones.phones as main_contact_phones,
    deals.company_id,
    companies.name as company_name,
    deals.source_id,
    deals.source_name,
    tracking.utm_source,
    tracking.utm_medium,
    tracking.utm_campaign,
    tracking.utm_content,
    tracking.utm_term,
    tracking.utm_referrer,
    tags.tags,
    deals.loss_reason_id,
    coalesce(reasons.name, deals.loss_reason_name) as loss_reason,
    deals.began_at as created_at,
    deals.began_at_local as created_at_local,
    cast(date_trunc('month', deals.began_at_local) as date) as created_month,
    deals.closed_at,
    deals.closed_at_local,
    cast(date_trunc('month', deals.closed_at_local) as date) as closed_month,
    case when {{ is_closed("deals.status_id") }} then coalesce(deals.closed_at_local, stages.from_at_local) end as ended_at_local,
    {{ unless_negative(seconds_between("deals.began_at", "deals.closed_at")) }} as seconds_to_close,
    responses.first_response_at,
    {{ seconds_between("deals.began_at", "responses.first_response_at") }} as seconds_to_first_response,
    {{ working_seconds_between("deals.began_at_local", local_moment("responses.first_response_at", "account.time_zone")) }}
        as working_seconds_to_first_response,
    case
        when deals.main_contact_id is not null or deals.company_id is not null
            then coalesce(least(first_of_main_contact.won_at, first_of_company.won_at) < deals.began_at, false)
    end as is_repeat,
    {%- for column in ["days_without_activity", "is_live", "is_stale", "is_dead"] %}

    case when {{ activity_is_known }} then activity.{{ column }} end as {{ column }},
    {%- endfor %}

    deals.updated_at,
    deals.is_deleted,
    deals.deleted_at,
    deals.deleted_by
    {{- by_value("cut") }}
    {{- cells_of("deal", "own") }}
from {{ ref("int_amocrm__deals") }} as deals
inner join {{ ref("int_amocrm__accounts") }} as account on account.project_id = deals.project_id
left join {{ ref("int_amocrm__stages") }} as statuses
    on statuses.project_id = deals.project_id
    and statuses.pipeline_id = deals.pipeline_id
    and statuses.status_id = deals.status_id
left join {{ ref("int_amocrm__deal_stages") }} as stages
    on stages.project_id = deals.project_id and stages.deal_id = deals.deal_id and stages.is_last
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = deals.project_id and users.user_id = deals.responsible_user_id
left join {{ ref("stg_amocrm__groups") }} as teams on teams.project_id = users.project_id and teams.group_id = users.group_id
left join {{ ref("int_amocrm__deal_closers") }} as closers
    on closers.project_id = deals.project_id and closers.deal_id = deals.deal_id
left join {{ ref("stg_amocrm__users") }} as closer
    on closer.project_id = closers.project_id and closer.user_id = closers.responsible_user_id
left join {{ ref("stg_amocrm__contacts") }} as contacts
    on contacts.project_id = deals.project_id and contacts.contact_id = deals.main_contact_id
left join phones on phones.project_id = deals.project_id and phones.contact_id = deals.main_contact_id
left join {{ ref("stg_amocrm__companies") }} as companies
    on companies.project_id = deals.project_id and companies.company_id = deals.company_id
left join {{ ref("int_amocrm__deal_tracking") }} as tracking
    on tracking.project_id = deals.project_id and tracking.deal_id = deals.deal_id
left join tags on tags.project_id = deals.project_id and tags.deal_id = deals.deal_id
left join {{ ref("stg_amocrm__loss_reasons") }} as reasons
    on reasons.project_id = deals.project_id and reasons.loss_reason_id = deals.loss_reason_id
left join {{ ref("int_amocrm__first_responses") }} as responses
    on responses.project_id = deals.project_id and responses.deal_id = deals.deal_id
left join first_of_main_contact
    on first_of_main_contact.project_id = deals.project_id and first_of_main_contact.main_contact_id = deals.main_contact_id
left join first_of_company
    on first_of_company.project_id = deals.project_id and first_of_company.company_id = deals.company_id
left join {{ ref("int_amocrm__deal_activity") }} as activity
    on activity.project_id = deals.project_id and activity.deal_id = deals.deal_id
left join own on own.project_id = deals.project_id and own.entity_id = deals.deal_id
{{ join_by_value("deals") }}
