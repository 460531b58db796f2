"""Expected conversations, computed message by message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .. import Row
from .known import KINDS, Known, at, grouped, memoized, seconds

WORKS = {**dict.fromkeys((1, 2, 3, 4, 5), (9.0, 18.0)), 6: (10.0, 14.5)}
"""The hours at which work begins and ends, by day of the week (Monday is 1)."""
CHANNELS = {"telegram": "Telegram", "waba": "WhatsApp", "com.wazzup.whatsapp": "WhatsApp", "avito": "Авито"}


def author(message: Row) -> str:
    """Returns the kind of a message's author: client, person or robot."""
    if message["direction"] == "in":
        return "client"
    by_kind = {"bot": "robot", "internal": "person"}.get(message["author_type"])
    return by_kind or ("person" if message["created_by"] else "robot")


def working(earlier: datetime | None, later: datetime | None) -> int | None:
    """Returns the working time between two times, summed day by day (seconds)."""
    if earlier is None or later is None:
        return None
    total, day = 0, earlier.replace(hour=0, minute=0, second=0)
    while day <= later:
        opens, closes = WORKS.get(day.isoweekday(), (0.0, 0.0))
        begun, ended = max(earlier, day + timedelta(hours=opens)), min(later, day + timedelta(hours=closes))
        total += max(seconds(begun, ended) or 0, 0)
        day += timedelta(days=1)
    return total


@memoized
def conversations(known: Known) -> list[Row]:
    chats = [row for row in known.all("messages") if row["talk_id"] is not None and row["direction"] is not None]
    by_talk = {talk: rows for (talk,), rows in grouped(chats, lambda row: (row["talk_id"],)).items()}
    talks = {row["talk_id"]: row for row in known.all("talks")}
    return [_talk(known, talk, talks.get(talk), by_talk.get(talk, [])) for talk in sorted({*talks, *by_talk})]


def _talk(known: Known, talk_id: int, talk: Row | None, messages: list[Row]) -> Row:
    messages = sorted(messages, key=lambda row: (row["created_at"], author(row) != "client", row["message_id"]))
    last, listed = (messages[-1] if messages else {}), talk or {}
    is_open = listed.get("is_in_work", True) if known.was_read("talks") else None
    waits: list[tuple[datetime, datetime | None, int | None]] = []
    since: datetime | None = None
    for message in messages:
        moment = at(message["created_at"])
        if author(message) == "client":
            since = since or moment
        elif author(message) == "person" and since:
            waits.append((since, moment, message["created_by"] or None))
            since = None
    if since:
        waits.append((since, None, None))
    client_wrote_at, answered_at, by = waits[0] if waits else (None, None, None)
    known_until = [(begun, ended or max(known.now, begun)) for begun, ended, _ in waits if ended or is_open]
    waiting = since if is_open else None
    is_known = known.was_read("messages") and not (since and is_open is None)
    authors = [author(message) for message in messages]
    row = _belonging(known, listed, last)
    begun = [moment for moment in (at(listed.get("created_at")), messages and at(messages[0]["created_at"])) if moment]
    local = known.local
    return row | {
        "talk_id": talk_id,
        "channel": CHANNELS.get(str(code := listed.get("origin") or last.get("origin")), code),
        "is_open": is_open,
        "started_at": min(begun),
        "started_at_local": local(min(begun)),
        "messages_in": authors.count("client") if known.was_read("messages") else None,
        "messages_out": len(authors) - authors.count("client") if known.was_read("messages") else None,
        "robot_messages": authors.count("robot") if known.was_read("messages") else None,
        "last_message_at": at(last.get("created_at")),
        "last_message_at_local": local(at(last.get("created_at"))),
        "last_author": authors[-1] if authors else None,
        "answered_by": next((who for who in ("person", "robot") if who in authors), None),
        "first_response_at": answered_at,
        "first_response_at_local": local(answered_at),
        "first_response_by": by,
        "first_response_by_name": known.user(by),
        "seconds_to_first_response": seconds(client_wrote_at, answered_at),
        "working_seconds_to_first_response": working(local(client_wrote_at), local(answered_at)),
        "longest_wait_seconds": max((seconds(*wait) or 0 for wait in known_until), default=None),
        "longest_wait_working_seconds": max(
            (working(local(a), local(b)) or 0 for a, b in known_until), default=None
        ),
        "is_unanswered": waiting is not None if is_known else None,
        "waiting_since": waiting,
        "waiting_since_local": local(waiting),
    }  # fmt: skip


def _belonging(known: Known, talk: Row, last: Row) -> Row:
    """Returns a talk's cards and their responsible user. A talk without a card has that of its last message."""
    kind, card_id = talk.get("entity_type"), talk.get("entity_id")
    if kind is None:
        kind, card_id = KINDS.get(last.get("element_type") or 0), last.get("element_id")
    kind = "deal" if kind == "lead" else kind
    contact = talk.get("contact_id") or last.get("talk_contact_id") or (card_id if kind == "contact" else None)
    if not contact and KINDS.get(last.get("element_type") or 0) == "contact":
        contact = last["element_id"]

    def card(table: str, key: str, wanted: Any) -> Row:
        return next((row for row in known.all(table) if wanted is not None and row[key] == wanted), {})

    deal_id, customer_id = card_id if kind == "deal" else None, card_id if kind == "customer" else None
    deal, person = card("deals", "lead_id", deal_id), card("contacts", "contact_id", contact)
    cards = (deal, card("customers", "customer_id", customer_id), person)
    responsible = next((c["responsible_user_id"] for c in cards if c.get("responsible_user_id") is not None), None)
    return {
        "deal_id": deal_id,
        "deal_name": deal.get("name"),
        "customer_id": customer_id,
        "contact_id": contact,
        "contact_name": person.get("name"),
        "responsible_user_id": responsible,
        "responsible_name": known.user(responsible),
    }
