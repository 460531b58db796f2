"""The queries about single cards: deals by what they hold, cards by what a person knows of them, one card whole.

A person who sees his own cards alone (`$users`) finds a card if he is responsible for it, or was when it was closed,
and a contact or company also if he is so for a deal of it.
"""

from __future__ import annotations

from amocrm_warehouse.report.answer_parts import counts_in, in_choice, of_chosen
from amocrm_warehouse.report.metrics import ROWS, column
from amocrm_warehouse.report.page_queries import SOURCE

LARGE, SMALL = "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯё", "абвгдеежзийклмнопрстуфхцчшщъыьэюяе"
FIND_WORDS = 5
"""The most words of a name that are looked for."""
ORDERS = {
    "budget": "coalesce(deals.budget, 0) end desc",
    "newest": "deals.created_at_local end desc",
    "oldest": "deals.created_at_local end",
    "closed": "deals.closed_at_local end desc",
    "in_stage": "deals.in_stage_since_local end",
    "inactive": "deals.days_without_activity end desc",
}
"""Orders of a list of deals, as the end of a case."""
BY_ORDER = ", ".join(f"case when $order = '{name}' then {by} nulls last" for name, by in ORDERS.items())


def folded(text: str) -> str:
    """Returns SQL of a text in small letters, е for ё. A database of locale C lowers Latin letters alone."""
    return f"lower(translate({text}, '{LARGE}', '{SMALL}'))"


def has_words(text: str) -> str:
    """Returns the SQL condition that a text has each of the words asked for."""
    return " and ".join(
        f"position($word_{place} in {folded(f'coalesce({text}, $nothing)')}) > 0" for place in range(FIND_WORDS)
    )


def own(rows: str, number: str) -> str:
    """Returns the SQL condition that a card is one of the chosen users'. `number`: the column of its id."""
    mine = [is_user(f"{rows}.responsible_user_id")]
    if number == "deal_id":
        mine.append(is_user(f"{rows}.closer_id"))
    else:
        links = "stg_deal_contacts" if number == "contact_id" else "stg_deal_companies"
        mine.append(f"""
            exists (
                select 1 from amocrm_staging.{links} as held
                inner join amocrm_marts.deals as theirs
                    on theirs.project_id = held.project_id and theirs.deal_id = held.deal_id
                where held.project_id = {rows}.project_id and held.{number} = {rows}.{number}
                    and ({is_user("theirs.responsible_user_id")} or {is_user("theirs.closer_id")})
            )
        """)
    return f"($users is null or {' or '.join(mine)})"


def is_user(column: str) -> str:
    rows = column.partition(".")[0]
    return f"position(',' || {rows}.project_id || '/' || cast({column} as varchar) || ',' in $users) > 0"


def found_cards(kind: str, table: str, number: str, more: str) -> str:
    """Returns SQL of the cards of one kind that have the words, the id, the digits or the address asked for."""
    by_contact = f"""
        or ($digits <> '' or $email <> '') and exists (
            select 1 from amocrm_staging.int_phones_emails as known
            where known.project_id = cards.project_id and known.entity_type = '{kind}'
                and known.entity_id = cards.{number}
                and (($digits <> '' and known.kind = 'phone' and position($digits in known.same) > 0)
                    or ($email <> '' and known.kind = 'email' and position($email in {folded("known.same")}) > 0))
        )
    """ if kind in ("contact", "company") else ""  # fmt: skip
    return f"""
        select cards.project_id, chosen.currency, '{kind}' as kind, cards.{number} as id, cards.name,
            cards.responsible_user_id as user_id, cards.responsible_name as manager, {more},
            case when cards.{number} = $number then 0 when {folded("cards.name")} = $words then 1 else 2 end as rank
        from amocrm_marts.{table} as cards {of_chosen("cards")}
        where not coalesce(cards.is_deleted, false) and {own("cards", number)}
            and ($kind is null or $kind = '{kind}')
            and (cards.{number} = $number or ($words <> '' and {has_words("cards.name")}) {by_contact})
    """  # fmt: skip


OF_DEAL = """
    cards.main_contact_name as contact, cards.company_name as company, cards.status_name as stage, cards.budget,
    cast(null as bigint) as deals, cast(null as bigint) as open_deals, cast(null as numeric) as won_budget,
    cast(null as varchar) as phones, cast(null as varchar) as emails
"""
OF_CLIENT = """
    cast(null as varchar) as contact, {company} as company, cast(null as varchar) as stage,
    cast(null as numeric) as budget, cards.deals, cards.open_deals, cards.won_budget, cards.phones, cards.emails
"""
OF_CONTACT = OF_CLIENT.format(company="cards.company_name")
OF_COMPANY = OF_CLIENT.format(company="cast(null as varchar)")


def linked(table: str, number: str) -> str:
    """Returns SQL of the deals of one contact or company."""
    return f"""
        select deals.project_id, chosen.currency, deals.deal_id, deals.name as deal, deals.budget, deals.pipeline_id,
            deals.pipeline_name, deals.status_name as stage, deals.responsible_user_id as user_id,
            deals.responsible_name as manager, deals.created_at_local, deals.closed_at_local
        from amocrm_staging.{table} as linked {of_chosen("linked")}
        inner join amocrm_marts.deals as deals
            on deals.project_id = linked.project_id and deals.deal_id = linked.deal_id
        where linked.{number} = $id and not deals.is_deleted and {own("deals", "deal_id")}
        order by deals.created_at_local desc, deals.deal_id
    """


OF_CARD = "cards.entity_type = $kind and cards.entity_id = $id"
HEADS = {
    "deal": ("deals", "deal_id"), "contact": ("contacts", "contact_id"), "company": ("companies", "company_id"),
}  # fmt: skip
"""The mart of each kind of card, and its id."""
CARD_QUERIES: dict[str, str] = {
    "deals": f"""
        select
            deals.project_id, chosen.currency, deals.deal_id, deals.name as deal, deals.budget,
            deals.pipeline_id, deals.pipeline_name, deals.status_name as stage, deals.responsible_user_id as user_id,
            deals.responsible_name as manager, deals.closer_id, deals.closer_name as manager_at_closing,
            {SOURCE} as source, deals.tags,
            case when deals.stage_kind = 'lost' then deals.loss_reason end as loss_reason,
            {column("deals", "created")} as created_on, {column("deals", "closed")} as closed_on,
            case when deals.stage_kind in ('open', 'unsorted')
                then cast(floor(extract(epoch from (accounts.now_local - deals.in_stage_since_local))
                    / 86400) as bigint)
                end as days_in_stage,
            deals.days_without_activity
        from amocrm_marts.deals {of_chosen("deals")}
        inner join amocrm_staging.int_accounts as accounts on accounts.project_id = deals.project_id
        where (($state = 'all' and {ROWS["deals"]["where"]} and {in_choice("deals")})
            or ($state = 'created' and {counts_in("created")})
            or ($state = 'won' and deals.stage_kind = 'won' and {counts_in("won")})
            or ($state = 'lost' and deals.stage_kind = 'lost' and {counts_in("lost")})
            or ($state = 'open' and deals.stage_kind in ('open', 'unsorted') and {counts_in("open")}))
            and ($budget_from is null or deals.budget >= $budget_from)
            and ($budget_to is null or coalesce(deals.budget, 0) <= $budget_to)
            and ($stages is null or position(',' || deals.project_id || '/' || cast(deals.pipeline_id as varchar)
                || '/' || cast(deals.status_id as varchar) || ',' in $stages) > 0)
            and ($days_in_stage is null or (deals.stage_kind in ('open', 'unsorted') and
                extract(epoch from (accounts.now_local - deals.in_stage_since_local)) / 86400 >= $days_in_stage))
            and ($days_without_activity is null or deals.days_without_activity >= $days_without_activity)
            and ($untouched is null or (deals.first_response_at is null and deals.stage_kind in ('open', 'unsorted')))
            and ($tag is null or exists (
                select 1 from amocrm_staging.stg_deal_tags as tags
                where tags.project_id = deals.project_id and tags.deal_id = deals.deal_id and tags.name = $tag))
            and ($field is null or exists (
                select 1 from amocrm_marts.entity_fields as fields
                where fields.project_id = deals.project_id and fields.entity_type = 'deal'
                    and fields.entity_id = deals.deal_id and fields.name = $field
                    and ($value is null or fields.value = $value)))
        order by chosen.purse, {BY_ORDER}, deals.project_id, deals.deal_id
    """,
    "tag_names": f"""
        select tags.project_id, tags.name as tag, count(*) as deals
        from amocrm_staging.stg_deal_tags as tags {of_chosen("tags")}
        inner join amocrm_marts.deals as deals on deals.project_id = tags.project_id and deals.deal_id = tags.deal_id
        where not deals.is_deleted and tags.name is not null and {in_choice("deals")}
        group by 1, 2 order by 1, 3 desc, 2
    """,
    "field_names": f"""
        select fields.project_id, fields.name as field, fields.entity_type as kind, fields.value_kind, fields.filled
        from amocrm_marts.own_fields as fields {of_chosen("fields")}
        order by 1, 3, 5 desc, 2
    """,
    "field_values": f"""
        select fields.project_id, fields.value
        from amocrm_marts.entity_fields as fields {of_chosen("fields")}
        inner join amocrm_marts.deals as deals
            on deals.project_id = fields.project_id and deals.deal_id = fields.entity_id and {own("deals", "deal_id")}
        where fields.entity_type = 'deal' and fields.name = $field and fields.value is not null
        group by 1, 2 order by count(*) desc, 2
    """,
    "by_field": f"""
        select
            deals.project_id, chosen.currency, fields.value,
            count(*) filter (where deals.stage_kind = 'won') as won,
            coalesce(sum(deals.budget) filter (where deals.stage_kind = 'won'), 0) as won_budget,
            count(*) filter (where deals.stage_kind = 'lost') as lost
        from amocrm_marts.deals {of_chosen("deals")}
        left join (
            select distinct project_id, entity_id, value from amocrm_marts.entity_fields
            where entity_type = 'deal' and name = $field
        ) as fields on fields.project_id = deals.project_id and fields.entity_id = deals.deal_id
        where {counts_in("won")}
        group by 1, 2, 3, chosen.purse
        order by chosen.purse, won_budget desc, won desc, 3
    """,
    "found": f"""
        select * from (
            {found_cards("contact", "contacts", "contact_id", OF_CONTACT)}
            union all {found_cards("company", "companies", "company_id", OF_COMPANY)}
            union all {found_cards("deal", "deals", "deal_id", OF_DEAL)}
        ) as found
        order by rank, kind <> 'contact', kind, coalesce(open_deals, 0) desc, name, id
    """,
    "deals_of_found": f"""
        select distinct deals.project_id, chosen.currency, deals.deal_id, deals.name as deal, deals.budget,
            deals.status_name as stage, deals.responsible_user_id as user_id, deals.responsible_name as manager,
            deals.main_contact_name as contact, deals.created_at_local
        from amocrm_marts.deals {of_chosen("deals")}
        left join amocrm_staging.stg_deal_contacts as contacts
            on contacts.project_id = deals.project_id and contacts.deal_id = deals.deal_id
        where not deals.is_deleted and {own("deals", "deal_id")} and (
            position(',' || deals.project_id || '/' || cast(contacts.contact_id as varchar) || ',' in $contacts) > 0
            or position(',' || deals.project_id || '/' || cast(deals.company_id as varchar) || ',' in $companies) > 0)
        order by deals.created_at_local desc, deals.deal_id
    """,
    "are_hidden": f"""
        select known.project_id
        from amocrm_staging.int_phones_emails as known {of_chosen("known")}
        group by 1 having max(case when known.value ~ '^[0-9a-f]{{64}}$' then 1 else 0 end) = 1
        union
        select cards.project_id from amocrm_marts.contacts as cards {of_chosen("cards")}
        where not coalesce(cards.is_deleted, false) group by 1 having count(cards.name) = 0
    """,
    **{
        f"card_{kind}": f"""
            select cards.*, chosen.currency as of_account from amocrm_marts.{table} as cards {of_chosen("cards")}
            where cards.{number} = $id and {own("cards", number)}
        """
        for kind, (table, number) in HEADS.items()
    },
    "card_fields": f"""
        select cards.project_id, cards.name as field, cards.value
        from amocrm_marts.entity_fields as cards {of_chosen("cards")}
        where {OF_CARD} order by 1, cards.custom_field_id, cards.value_index
    """,
    "people_of_deal": f"""
        select linked.project_id, contacts.contact_id, contacts.name as contact, linked.is_main, contacts.phones,
            contacts.emails, contacts.company_name
        from amocrm_staging.stg_deal_contacts as linked {of_chosen("linked")}
        inner join amocrm_marts.contacts as contacts
            on contacts.project_id = linked.project_id and contacts.contact_id = linked.contact_id
        where linked.deal_id = $id order by linked.is_main desc, 2
    """,
    "people_of_company": f"""
        select contacts.project_id, contacts.contact_id, contacts.name as contact, contacts.phones, contacts.emails
        from amocrm_marts.contacts as contacts {of_chosen("contacts")}
        where contacts.company_id = $id and not coalesce(contacts.is_deleted, false)
            and {own("contacts", "contact_id")} order by 1, 3, 2
    """,
    "deals_of_contact": linked("stg_deal_contacts", "contact_id"),
    "deals_of_company": linked("stg_deal_companies", "company_id"),
    "card_tasks": f"""
        select cards.project_id, cards.task_id, cards.text, cards.result, cards.is_completed, cards.due_at_local,
            users.user_id, users.name as manager
        from amocrm_staging.stg_tasks as cards {of_chosen("cards")}
        left join amocrm_staging.stg_users as users
            on users.project_id = cards.project_id and users.user_id = cards.responsible_user_id
        where {OF_CARD} order by cards.is_completed, cards.due_at_local desc, 2
    """,
    "card_notes": f"""
        select cards.project_id, cards.note_id, cards.note_type, cards.created_at_local, users.user_id,
            users.name as manager
        from amocrm_staging.stg_notes as cards {of_chosen("cards")}
        left join amocrm_staging.stg_users as users
            on users.project_id = cards.project_id and users.user_id = cards.created_by
        where {OF_CARD} and cards.note_type not in ('call_in', 'call_out') order by cards.created_at_local desc, 2
    """,
    "card_calls": f"""
        select cards.project_id, cards.direction, cards.seconds, cards.is_missed, cards.phone,
            cards.manager_id as user_id, cards.manager_name as manager, cards.created_at_local, cards.called_back_at
        from amocrm_marts.calls as cards {of_chosen("cards")}
        where ({OF_CARD}) or ($kind = 'deal' and cards.deal_id = $id) order by cards.created_at_local desc
    """,
    "card_messages": f"""
        select cards.project_id, cards.message_id, cards.channel, cards.direction, cards.author, cards.created_at_local,
            users.user_id, users.name as manager
        from amocrm_staging.stg_messages as cards {of_chosen("cards")}
        left join amocrm_staging.stg_users as users
            on users.project_id = cards.project_id and users.user_id = cards.created_by
        where {OF_CARD} order by cards.created_at_local desc, 2
    """,
    "card_stages": f"""
        select cards.project_id, cards.pipeline_id, cards.pipeline_name, cards.status_name as stage,
            cards.from_at_local, cards.to_at_local,
            cast(floor(cards.seconds / 8640.0) / 10 as double precision) as days, cards.moved_by_name as moved_by
        from amocrm_marts.deal_stage_history as cards {of_chosen("cards")}
        where $kind = 'deal' and cards.deal_id = $id order by cards.position
    """,
    "card_waits": f"""
        select cards.project_id, cards.reason as why, cards.responsible_user_id as user_id,
            cards.responsible_name as manager, cards.since_at_local, cards.days, cards.usual_days, cards.text
        from amocrm_marts.today as cards {of_chosen("cards")}
        where {OF_CARD} order by cards.reason
    """,
    "open_on_day": f"""
        select daily.project_id, chosen.currency, daily.day, daily.pipeline_id, daily.pipeline_name,
            coalesce(daily.status_name, '#' || cast(daily.status_id as varchar)) as stage, daily.deals, daily.budget
        from amocrm_marts.pipeline_daily as daily {of_chosen("daily")}
        where daily.day = $day and {in_choice("daily", user=None)} and $users is null
        order by chosen.purse, 1, 4, 7 desc, 6
    """,
}
