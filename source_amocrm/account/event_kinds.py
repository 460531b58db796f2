"""The kinds of events, and the kinds of entities as events name them: one vocabulary for all who read events.

Source: amoCRM's documentation of events, and recorded lists of the kinds of an account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

ENTITIES: Mapping[str, str] = {
    "lead": "leads",
    "contact": "contacts",
    "company": "companies",
    "customer": "customers",
    "task": "tasks",
}
"""The list of each kind of entity, by the singular that events use."""

STATUS_CHANGED = "lead_status_changed"
RESPONSIBLE_CHANGED = "entity_responsible_changed"
SALE_CHANGED = "sale_field_changed"
FIELD_CHANGED = "custom_field_value_changed"
"""A field may also have a kind of its own, `custom_field_{ID}_value_changed`."""

CHATS: Mapping[str, str | None] = {
    "incoming_chat_message": "in",
    "outgoing_chat_message": "out",
    "entity_direct_message": None,
}
"""The direction of a message, by kind; a direct message is one between users."""

NOTE_DELETED = "common_note_deleted"
DELETED: Mapping[str, str] = {f"{entity}_deleted": entity for entity in ENTITIES}
"""The entity that was deleted, by kind."""
RESTORED: Mapping[str, str] = {f"{entity}_restored": entity for entity in ("lead", "contact", "company")}
"""The entity that came back from the trash, by kind."""
TRASHED = frozenset(f"{entity}_deleted" for entity in ("lead", "contact", "company", "customer"))
"""The events that remove a card, and with it the links of other cards to it."""
MERGED = "entity_merged"
ADDED = frozenset(f"{entity}_added" for entity in ("lead", "contact", "company", "customer"))
"""Such an event also comes when a card leaves «Неразобранное» for its list, perhaps with an old date."""
LINKED = frozenset(
    f"{entity}_{verb}"
    for entity in ("lead", "contact", "company", "customer", "entity")
    for verb in ("linked", "unlinked")
)
TAGGED = frozenset({"entity_tag_added", "entity_tag_deleted"})
ENDED_OR_RETURNED = frozenset({*DELETED, *RESTORED, NOTE_DELETED})  # The events that end an entity or bring it back

FIELD = re.compile(r"custom_field_(\d{1,18})_value_changed", re.ASCII)  # The kind of the events of one custom field
_EVENT_KINDS = """
    lead_added lead_deleted lead_restored lead_linked lead_unlinked lead_status_changed
    contact_added contact_deleted contact_restored contact_linked contact_unlinked
    company_added company_deleted company_restored company_linked company_unlinked
    customer_added customer_deleted customer_linked customer_unlinked customer_status_changed
    task_added task_deleted task_completed task_type_changed task_text_changed task_deadline_changed task_result_added
    entity_linked entity_unlinked entity_merged entity_responsible_changed entity_direct_message
    entity_tag_added entity_tag_deleted entity_segment_attached entity_segment_detached segment_created
    sale_field_changed name_field_changed ltv_field_changed custom_field_value_changed
    incoming_call outgoing_call incoming_mail outgoing_mail incoming_sms outgoing_sms
    incoming_chat_message outgoing_chat_message
    talk_created talk_closed talk_missed_event conversation_answered page_mention
    meta_chat_subscription_added meta_chat_subscription_removed
    robot_replied intent_identified nps_rate_added ai_result key_action_completed
    common_note_added common_note_deleted attachment_note_added geo_note_added service_note_added site_visit_note_added
    targeting_in_note_added targeting_out_note_added message_to_cashier_note_added
    link_followed video_opened video_closed picture_opened picture_closed zoom_conference dropbox_attachment
    transaction_added invoice_paid invoice_created
"""
EVENT_KINDS = frozenset(_EVENT_KINDS.split())
"""Every kind in the documents or in a recorded list of an account's kinds; custom fields have more kinds (FIELD)."""
