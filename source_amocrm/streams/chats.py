"""Messages, the talks of chats, and the bots that answer in them. SMS are notes; messages of chats are events.

A chat event names its message without the text. With the option `chat_texts`, the messages of each talk are requested,
too. amoCRM's list of talks may stop after its first page; chat events name the other talks.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from source_amocrm.account import Account
from source_amocrm.account.availability import whole
from source_amocrm.account.event_kinds import CHATS, ENTITIES
from source_amocrm.account.resources import EVENTS, NOTES
from source_amocrm.engine.event_reading import events_between
from source_amocrm.engine.read_plan import BEGINNING
from source_amocrm.engine.stream_interface import Context
from source_amocrm.errors import REFUSALS, AmocrmError, BadRequest, NotFound, PageTooLarge, Unavailable, beginning_with
from source_amocrm.streams.activity import ELEMENT_TYPE
from source_amocrm.streams.base import FullRefreshStream, IncrementalStream
from source_amocrm.streams.values import Json, Row, as_code, as_integer, as_list, child, read
from source_amocrm.walk.listing import Listing, MalformedList, NoList, numeric_id
from source_amocrm.walk.progress_rule import Endless, TooLong
from source_amocrm.walk.worker_pool import MOST_AHEAD, WorkerPool

LOGGER = logging.getLogger("airbyte")
T = TypeVar("T")

SMS = {"sms_in": "in", "sms_out": "out"}  # The direction of an SMS, by the type of its note

SCOPE = "list_external_messages"
MESSAGES_PER_PAGE = 250
MOST_MESSAGES = 20_000
"""Messages kept in memory for later events. Past it, the talks that were requested first are dropped; a later event of
a dropped talk requests its messages again."""
MOST_SKIPPED = 10
"""Talks that a sync skips at most. If more fail, the fault is not one of single talks, and the stream ends with it."""
FAILURES_OF_ONE_TALK = (Unavailable, BadRequest, MalformedList, NoList, Endless, TooLong)
TALKS = "/api/v4/talks"
TALKS_AT_ONCE = 50  # Ids of talks in one filtered request. amoCRM answers longer addresses with «HTTP URL too long».

_HOW = (
    "Where the texts of chats are wanted, tick «История внешних чатов» (History of external chats) in the integration "
    "and grant access again, or create a new token; else switch them off (chat_texts). Messages that came without a "
    "text get it when the stream is refreshed."
)


class Messages(IncrementalStream):
    name = "messages"
    resources = NOTES
    kinds = tuple(CHATS)
    exploded = True

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(account, properties)
        self._texts = ChatTexts(account) if account.config.chat_texts else None

    def prepare(self, records: Sequence[Row], context: Context) -> list[Row]:
        if not self._texts or context.entity_type != EVENTS.name:
            return []
        chats = [event for event in records if str(event.get("type")) in CHATS]
        self._texts.request(talk_id for event in chats for talk_id in talk_ids(event))
        return [event for event in chats if not self._texts.skipped.isdisjoint(talk_ids(event))]

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Yields the row of a note that is an SMS, or of a chat event. Raises RowError if the record has no id."""
        source, chat = self.record.source(record), context.entity_type == EVENTS.name
        kind = source.get("type" if chat else "note_type")
        if type(kind) is str and kind in (CHATS if chat else SMS):
            yield self._chat(source, kind) if chat else self._sms(source, kind, context.entity_type)

    def _sms(self, note: Row, kind: str, entity: str) -> Row:
        params, note_id = note.get("params"), self.record.key(note.get("id"), note, "message_id")
        return self.record(
            note,
            message_id=f"{entity}/{note_id}",
            channel="sms",
            direction=SMS[kind],
            element_type=ELEMENT_TYPE[entity],
            phone=child(params, "phone"),
            text=child(params, "text"),
            note_id=note_id,
        )

    def _chat(self, event: Row, kind: str) -> Row:
        message, related = child(event.get("value_after"), "message"), child(event.get("_embedded"), "entity")
        talk_id, entity = child(message, "talk_id"), event.get("entity_type")
        contact_id = child(related, "linked_talk_contact_id")
        return self.record(
            event,
            message_id=event.get("id"),
            channel="chat" if CHATS[kind] else "direct",
            direction=CHATS[kind],
            element_type=ELEMENT_TYPE.get(ENTITIES.get(entity, "")) if type(entity) is str else None,
            chat_message_id=child(message, "id"),
            talk_contact_id=event.get("linked_talk_contact_id") if contact_id is None else contact_id,
            talk_id=talk_id,
            origin=child(message, "origin"),
            updated_at=event.get("created_at"),
            **(self._texts.message(read(as_integer, talk_id), child(message, "id")) if self._texts else {}),
        )


class Talks(FullRefreshStream):
    """The talks of the list, and then the talks that only chat events name, requested by id."""

    name = "talks"
    list_path = TALKS
    completing_paths = (EVENTS.path,)

    def records(self) -> Iterable[tuple[Row, Context]]:
        listed = self.account.dictionary(self.list_path, self.collection)
        yield from ((talk, Context()) for talk in listed)
        unlisted = self._named_by_events().difference(numeric_id(talk.get("talk_id")) for talk in listed)
        found = 0
        for found, talk in enumerate(talks_by_id(self.account, unlisted), 1):  # noqa: B007
            yield talk, Context()
        if unlisted:
            LOGGER.info(
                "talks: messages name %s talks that amoCRM's list of talks lacks. Asked for by id, %s of them came; "
                "amoCRM does not have the others any more.",
                f"{len(unlisted):,}",
                f"{found:,}",
            )

    def _named_by_events(self) -> set[int]:
        try:
            events = events_between(self.account, CHATS, self.account.config.start or BEGINNING)
            return {talk_id for event in events for talk_id in talk_ids(event)}
        except REFUSALS as error:
            sentence = (
                "The talks that amoCRM lists are read, but it may list the newest ones only, and the events that name "
                "the others are refused."
            )
            raise beginning_with(sentence, error) from None


Bots = FullRefreshStream.table("bots", list_path="/api/v4/bots", collection="items")


class ChatTexts:
    """Memoizes the messages of talks, which are requested when the first chat event of a talk comes."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._talks: dict[int, dict[str | None, Row]] = {}
        """By talk, its messages by their ids; the talk that was requested first comes first."""
        self.skipped: set[int] = set()
        """The talks whose messages cannot be read, though others can. The next sync tries again."""
        self._refused = False

    def request(self, talk_ids: Iterable[int]) -> None:
        """Requests the messages of the talks that are not in memory yet, and skips a talk that fails twice.

        Raises AmocrmError for a failure that concerns all talks, or if more than MOST_SKIPPED would be skipped.
        """
        if warning := _missing_scope(self._account):
            self._stop(warning)
        missing = [] if self._refused else sorted(set(talk_ids) - self._talks.keys() - self.skipped)
        tasks = (partial(self._messages, talk_id) for talk_id in missing)
        for talk_id, found in zip(missing, in_order(self._account.pool, tasks), strict=True):
            # the failure of one talk may have failed the others that were requested meanwhile
            again = self._messages(talk_id) if isinstance(found, AmocrmError) else found
            if isinstance(again, AmocrmError):
                self._skip(talk_id, again)
            else:
                self._talks[talk_id] = again
        kept = sum(map(len, self._talks.values()))
        for talk_id in [one for one in self._talks if one not in missing]:
            if kept <= MOST_MESSAGES:
                break
            kept -= len(self._talks.pop(talk_id))

    def message(self, talk_id: int | None, message_id: Json) -> Row:
        """Returns the columns of a message that only its talk tells; none if the talk does not have the message."""
        return self._talks.get(talk_id or 0, {}).get(read(as_code, message_id) or "", {})

    def _messages(self, talk_id: int) -> dict[str | None, Row] | AmocrmError:
        """Returns the messages of a talk, or why it has to be skipped.

        Returns none if the talk is gone, or if texts are refused, which is logged once.
        """
        if self._refused:
            return {}
        listing = Listing(self._account.get, f"{TALKS}/{talk_id}/messages", "messages", MESSAGES_PER_PAGE)
        try:
            return {read(as_code, message.get("id")): _text_columns(message) for message in whole(listing)}
        except REFUSALS as error:
            if not isinstance(error, NotFound) or talk_by_id(self._account, talk_id) is not None:
                self._stop(f"messages: the texts of chats are left empty. {error} {_HOW}")
        except FAILURES_OF_ONE_TALK as error:
            return error
        return {}

    def _skip(self, talk_id: int, error: AmocrmError) -> None:
        if len(self.skipped) >= MOST_SKIPPED:
            raise error
        self.skipped.add(talk_id)
        LOGGER.warning(
            "messages: the texts of the talk %s are left empty, and the next sync tries again. %s", talk_id, error
        )

    def _stop(self, warning: str) -> None:
        if not self._refused:
            self._refused = True
            LOGGER.warning(warning)


def note_of_texts(account: Account) -> str | None:
    """Returns the note of a check about the texts of chats; None if the option is off."""
    if not account.config.chat_texts:
        return None
    return _missing_scope(account) or (
        "The texts of chats are read (chat_texts): a sync sends one request more for each talk with new messages."
    )


def _missing_scope(account: Account) -> str | None:
    """Returns a warning if the token itself says that it lacks the scope; None otherwise."""
    if not account.not_granted(SCOPE):
        return None
    return f"messages: the texts of chats are left empty, for the token lacks the scope “{SCOPE}”. {_HOW}"


def _text_columns(message: Row) -> Row:
    """Returns the columns of a message that its chat event does not tell."""
    author, attachment = message.get("author"), message.get("attachment")
    return {
        **{name: message.get(name) for name in ("text", "message_type", "delivery_status")},
        **{f"author_{name}": child(author, name) for name in ("id", "type", "name")},
        "attachment_name": child(attachment, "file_name"),
        "attachment_link": child(attachment, "link"),
    }


def talk_ids(event: Row) -> Iterator[int]:
    """Yields the ids of the talks that a chat event names."""
    messages = (child(value, "message") for value in as_list(event.get("value_after")))
    return filter(None, (numeric_id(child(message, "talk_id")) for message in messages))


def talks_by_id(account: Account, ids: Iterable[int]) -> Iterator[Row]:
    """Yields the talks that exist among `ids`.

    Requests many ids at once as long as the list honours `filter[talk_id]`. A talk that the filtered list lacks is
    requested by itself, because the filter may apply only to the talks that the list shows. If the first filtered
    request brings no talk, no other filtered one is sent.
    """
    wanted, alone = sorted(set(ids)), []
    for start in range(0, len(wanted), TALKS_AT_ONCE):
        ids_at_once = wanted[start : start + TALKS_AT_ONCE]
        found = _filtered(account, ids_at_once)
        if found is None or not (found or start):
            alone += wanted[start:]
            break
        yield from found.values()
        alone += [talk_id for talk_id in ids_at_once if talk_id not in found]
    yield from filter(None, in_order(account.pool, (partial(talk_by_id, account, one) for one in alone)))


def _filtered(account: Account, ids: list[int]) -> dict[int | None, Row] | None:
    """Requests the list of these talks. Returns None if amoCRM ignores the filter or cannot answer."""
    listing = Listing(account.get, TALKS, "talks", TALKS_AT_ONCE, {"filter[talk_id][]": ids})
    try:
        rows = listing.ask({}).rows
    except (NotFound, PageTooLarge):
        return None
    found = {numeric_id(row.get("talk_id")): row for row in rows}
    return found if found.keys() <= set(ids) else None


def talk_by_id(account: Account, talk_id: int) -> Row | None:
    """Requests one talk. Returns None for 404 and 204: the talk is gone."""
    try:
        body = account.get_retrying_empty(f"{TALKS}/{talk_id}", {}).body
    except NotFound:
        return None
    return body if body and numeric_id(body.get("talk_id")) == talk_id else None


def in_order(pool: WorkerPool, tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Yields the results of `tasks` in order. Starts later tasks ahead while the request budget has room."""
    begun: deque[Callable[[], T]] = deque()
    for task in tasks:
        free = pool.vacancies() > 0
        begun.append(pool.prefetch(task) if free else task)
        while len(begun) > MOST_AHEAD or (begun and not free):
            yield begun.popleft()()
    for result in begun:
        yield result()
