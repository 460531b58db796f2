"""The kinds of events, and the kinds of entities as events name them: one vocabulary for all who read events.

Source: amoCRM's documentation of events, and recorded lists of the kinds of an account.
"""

from __future__ import annotations

from collections.abc import Mapping

ENTITIES: Mapping[str, str] = {
    "lead": "leads",
    "contact": "contacts",
    "company": "companies",
    "customer": "customers",
    "task": "tasks",
}
"""The list of an entity, by the singular that events use."""

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
MERGED = "entity_merged"
ADDED = frozenset(f"{entity}_added" for entity in ("lead", "contact", "company"))
"""What waited in «Неразобранное» enters its list when it is accepted, maybe with an old date."""
LINKED = frozenset(
    f"{entity}_{verb}"
    for entity in ("lead", "contact", "company", "customer", "entity")
    for verb in ("linked", "unlinked")
)
TAGGED = frozenset({"entity_tag_added", "entity_tag_deleted"})
LIFE = frozenset({*DELETED, *RESTORED, NOTE_DELETED})
"""What ends an entity, or brings it back."""
