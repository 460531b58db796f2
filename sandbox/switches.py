"""Everything that amoCRM's documents leave open, as switches. The connector must work with each value of each switch.

The defaults are the documented behaviour, or the one that was recorded most often, or an arbitrary choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ties = Literal["id_asc", "id_desc", "mirrored", "any", "shuffled"]
DefaultOrder = Literal["asc", "desc", "unordered"]


@dataclass
class Switches:
    """The behaviour of one account. Mutable, so that a test can change a switch between two requests."""

    # filters
    from_inclusive: bool = True
    to_inclusive: bool = True
    filter_enabled: bool = True  # the paid filter of leads, contacts, companies, customers
    filter_flag: bool | Literal["honest", "absent"] = "honest"  # is_api_filter_enabled of /account
    filter_off: Literal["ignored", "402"] = "ignored"  # the effect of a filter that is not paid for
    # orders
    ties: Ties = "id_asc"  # rows with an equal order value; "mirrored": by id in the direction of the order;
    # "any": an arbitrary order, the same at each request; "shuffled": another order at each request
    default_order: DefaultOrder | Literal["updated"] = "asc"  # entity lists without `order`, by id or by updated_at
    events_order: DefaultOrder = "desc"  # events without `order`, by time
    events_order_honoured: bool = False  # whether order[created_at] works on events
    customers_order_honoured: bool = True
    # pages
    page_max: int = 250
    events_page_max: int = 100
    page_default: int = 50  # also for a limit over the maximum, without an error
    next_link: bool = True  # False: no page has a next link, as seen in talks and in elements of catalogs
    next_on_full_last_page: bool = False
    end: Literal["204", "empty"] = "204"  # the answer to a page past the end
    page_number_present: bool = True  # `_page` is missing in one recording
    deepest_page: int | None = None  # later pages answer 504
    links_most: int | None = None  # most ids in one request for /links
    hidden_by_date: frozenset[int] = frozenset()  # cards that a list filtered or ordered by updated_at leaves out
    if_modified_since: Literal["ignored", "honoured"] = "ignored"
    fields_total: Literal["page", "all"] = "page"  # `_total_items` of custom_fields
    # what counts as a change of the parent
    links_bump: bool | Literal["own"] = True  # "own": of the two cards only the one whose link was changed
    birth_links: Literal["told", "silent"] = "told"  # "silent": what a card is created with has no link events, and
    # leaves the other card's date
    tags_bump: bool = True
    notes_bump: bool = False
    tasks_bump: bool = True
    # events
    events_late: float = 0.0  # seconds between an event's created_at and its appearance in the list
    mass_value_before: Literal["given", "empty"] = "given"  # value_before of the events of a mass change
    link_events: Literal["entity", "typed"] = "entity"  # entity_linked, or contact_linked / lead_linked …
    link_event_sides: Literal["both", "one"] = "both"
    unlink_shape: Literal["before", "after_unlink", "after_link"] = "before"
    field_event_type: Literal["with_id", "generic"] = "with_id"
    note_deleted_shape: Literal["after", "before"] = "after"
    merged_carries: Literal["survivor", "victim"] = "survivor"
    merge_link_events: bool = True  # whether a merge writes link events for the links that it moves
    merge_activity: Literal["moves_bumped", "moves_silent", "stays"] = "moves_bumped"  # the victim's tasks and notes
    # trash
    only_deleted_entities: tuple[str, ...] = ("leads", "contacts", "companies")  # others ignore the flag
    only_deleted_honours_order: bool = False
    only_deleted_honours_filter: bool = False
    restore_bumps: bool = False
    trash_links: Literal["kept", "hidden", "hidden_bumps", "hidden_events"] = "kept"  # in _embedded of others
    trash_in_links: bool = False  # whether /links shows the links of a card in the trash
    trash_activity: Literal["shown", "hidden"] = "shown"  # a trashed card's notes and tasks, in their lists
    # shapes
    false_checkbox: Literal["absent", "returned"] = "absent"
    loss_reason: Literal["array", "object"] = "array"
    empty_result: Literal["array", "null", "absent"] = "array"  # `result` of a task without one
    enum_key: Literal["enum_code", "enum"] = "enum_code"
    minor_units: Literal["given", "zero", "absent"] = "given"  # price_with_minor_units and its like
    lead_source: Literal["embedded", "documented", "top", "absent"] = "embedded"  # position of a lead's source
    element_links: Literal["both", "metadata", "flat"] = "both"  # position of a linked element's quantity
    talk_contact: Literal["entity", "top", "nowhere"] = "entity"  # position of the contact in a chat message's event
    talks_shape: Literal["2026", "2021"] = "2026"  # with status and source_id, or with missed_at
    notes_pinned: bool = True  # whether notes know with=is_pinned
    companies_is_deleted: bool = True  # the example in amoCRM's documents lacks the key
    contacts_is_deleted: bool = True
    contacts_is_unsorted: bool = True
    fields_shape: Literal["full", "doc"] = "full"  # "doc": without code, entity_type, is_deletable …
    notes_params_empty: Literal["array", "object"] = "array"
    user_group: Literal["both", "embedded", "rights"] = "both"  # position of a user's group
    long_self_links: bool = True  # _links.self of rows repeats the query
    # the Date header (seconds): its lead over the clock that dates rows, and the largest random error of an answer
    date_ahead: float = 0.0
    date_jitter: float = 0.0
    # the account and the token's rights
    admin: bool = True
    external: bool = False
    forbidden: frozenset[str] = frozenset()  # paths that the token's user may not read, as "tasks"
    customers: Literal["segments", "periodicity", "off"] = "segments"
    customers_mode_told: bool = True
    currency: Literal["RUB", "USD"] | None = "RUB"  # None: not told, as documents show the account
    off: frozenset[str] = frozenset()  # lists that the account's settings switch off: "loss_reasons", "unsorted"
    off_answer: Literal["204", "404", "422"] = "422"  # the answer of such a list
    catalogs: bool = True
    unsorted_visible: bool = True  # unsorted leads stand in /leads
    accept_bumps: bool = True  # the contact of an accepted request gets a new updated_at
    talks: bool = True  # whether the list exists; it is documented only since 2026
    talks_shown: int | None = None  # the list shows only so many of the newest talks, without a next page
    talks_filter: Literal["honoured", "listed", "ignored"] = "honoured"  # "listed": applies to the shown talks only
    chat_texts: Literal["served", "no scope", "not paid", "absent"] = "served"  # the messages of talks
    bots: bool = True  # whether the list exists; only larger plans of Kommo have it
    loss_reasons_list: bool = True  # False: 404, whatever the settings say; amoCRM's index does not name the list
    files_scope: bool = True
    files_refused: Literal[401, 403, 404] = 403  # the host of files' answer to a token without that scope
    scopes_told: bool = True  # whether tokens name their scopes
    drive_url: str = "own"  # drive_url of /account: "own", "absent", or an address
    kommo: bool = False
    unpaid: bool = False  # 402 on everything
    # tokens
    old_access_survives_refresh: bool = True
