{# One vocabulary for the types of entities: deal, contact, company, customer, task. #}

{% macro entity_of_number(column) %}
    case {{ column }} when 1 then 'contact' when 2 then 'deal' when 3 then 'company' when 12 then 'customer' end
{%- endmacro %}

{% macro entity_of_word(column) %}
    case
        when {{ column }} in ('lead', 'leads') then 'deal'
        when {{ column }} in ('contacts', 'companies', 'customers', 'tasks')
            then case {{ column }} when 'companies' then 'company' else substr({{ column }}, 1, length({{ column }}) - 1) end
        else {{ column }}
    end
{%- endmacro %}

{# open, won, lost or unsorted, also where the table `statuses` was not read. #}
{% macro stage_kind(status_id, statuses) %}
    case
        when {{ status_id }} = {{ won_status() }} then 'won'
        when {{ status_id }} = {{ lost_status() }} then 'lost'
        when {{ status_id }} is not null then coalesce({{ statuses }}.stage_kind, 'open')
    end
{%- endmacro %}

{% macro is_closed(status_id) %}{{ status_id }} in ({{ won_status() }}, {{ lost_status() }}){% endmacro %}

{# The name of a user, or № and the id if amoCRM no longer lists the user; `user` is a join of stg_users. #}
{% macro user_name(user, id) %}
    case when {{ id }} = 0 then 'robot' else coalesce({{ user }}.name, '№ ' || cast({{ id }} as varchar)) end
{%- endmacro %}

{# The name that people use for a messenger, by the last part of its code (waba, com.wazzup.whatsapp); an unknown code as it is. #}
{% macro channel_name(code) %}
    case regexp_replace({{ code }}, '^.*[.]', '')
        when 'waba' then 'WhatsApp' when 'whatsapp' then 'WhatsApp' when 'telegram' then 'Telegram' when 'viber' then 'Viber'
        when 'instagram' then 'Instagram' when 'instagram_business' then 'Instagram' when 'facebook' then 'Facebook'
        when 'vk' then 'ВКонтакте' when 'vkontakte' then 'ВКонтакте' when 'avito' then 'Авито'
        else {{ code }}
    end
{%- endmacro %}
