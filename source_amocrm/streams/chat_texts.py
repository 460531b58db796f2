"""What was written in chats (`chat_texts`): asked for talk by talk, because chat events name messages without texts."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from source_amocrm.account.account import Account
from source_amocrm.account.availability import whole
from source_amocrm.errors import AmocrmError, FeatureOff, Forbidden, NotFound, Unpaid
from source_amocrm.streams.talks import TALKS, in_order, talk_by_id
from source_amocrm.streams.values import Json, Row, child
from source_amocrm.walk.listing import Listing

LOGGER = logging.getLogger("airbyte")

SCOPE = "list_external_messages"
LIMIT = 250
"""Messages of the largest page."""
MOST_KEPT = 20_000
"""Messages that are kept for later events. Past it the talks that were asked for first are forgotten; a later event of
such a talk makes it be asked for again."""

_HOW = (
    "Where the texts of chats are wanted, tick «История внешних чатов» (History of external chats) in the integration "
    "and grant access again, or create a new token; else switch them off (chat_texts). Messages that came without a "
    "text get it when the stream is refreshed."
)


def note(account: Account) -> str | None:
    """What `check` says of the texts of chats; None where they are not wanted."""
    if not account.config.chat_texts:
        return None
    return _lacking(account) or (
        "The texts of chats are read (chat_texts): a sync sends one request more for each talk with new messages."
    )


def _lacking(account: Account) -> str | None:
    """What to do if the token itself says that it lacks the scope."""
    lacking = account.not_granted(SCOPE)
    return (
        f"messages: the texts of chats are left empty, for the token lacks the scope “{SCOPE}”. {_HOW}"
        if lacking
        else None
    )


class ChatTexts:
    """The messages of the talks that chat events name, each talk asked for when the first of its events comes."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._talks: dict[int, dict[Json, Row]] = {}
        """By talk, its messages by their ids; the talks that were asked for first come first."""
        self._kept = 0
        self._begun = False
        self._refused = False

    def ask(self, talk_ids: Iterable[int]) -> None:
        """Asks for the messages of these talks that are not known. Raises AmocrmError if an answer does not come."""
        if not self._begun:
            self._begun = True
            self._stop(_lacking(self._account))
        missing = [] if self._refused else sorted(set(talk_ids) - self._talks.keys())
        tasks = (partial(self._messages, talk_id) for talk_id in missing)
        for talk_id, messages in zip(missing, in_order(self._account.pool, tasks), strict=True):
            self._talks[talk_id] = {message.get("id"): message for message in messages}
            self._kept += len(self._talks[talk_id])
        for talk_id in [one for one in self._talks if one not in missing]:
            if self._kept <= MOST_KEPT:
                break
            self._kept -= len(self._talks.pop(talk_id))

    def message(self, talk_id: int | None, message_id: Json) -> Row:
        """The message as its talk shows it; empty where it does not."""
        return self._talks.get(talk_id, {}).get(message_id, {}) if talk_id is not None else {}

    def _messages(self, talk_id: int) -> list[Row]:
        """The messages of a talk; none if the talk is gone, or if texts are refused, which is said once."""
        if self._refused:
            return []
        listing = Listing(self._account.get, f"{TALKS}/{talk_id}/messages", "messages", LIMIT)
        try:
            return [_essence(message) for message in whole(listing)]
        except NotFound as error:
            if talk_by_id(self._account, talk_id) is not None:
                self._refuse(error)
        except (Unpaid, Forbidden, FeatureOff) as error:
            self._refuse(error)
        return []

    def _refuse(self, error: AmocrmError) -> None:
        self._stop(f"messages: the texts of chats are left empty. {error} {_HOW}")

    def _stop(self, why: str | None) -> None:
        if why and not self._refused:
            self._refused = True
            LOGGER.warning(why)


def _essence(message: Row) -> Row:
    """What columns show of a message."""
    author, attachment = message.get("author"), message.get("attachment")
    return {
        "id": message.get("id"),
        "text": message.get("text"),
        "author_id": child(author, "id"),
        "author_type": child(author, "type"),
        "author_name": child(author, "name"),
        "message_type": message.get("message_type"),
        "delivery_status": message.get("delivery_status"),
        "attachment_name": child(attachment, "file_name"),
        "attachment_link": child(attachment, "link"),
    }
