"""Talks, which are conversations of chats, and the bots that answer in them.

amoCRM's list of talks may stop after its first page. Chat events name the others.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from source_amocrm.account import Account
from source_amocrm.account.event_kinds import CHATS
from source_amocrm.account.resources import EVENTS
from source_amocrm.errors import REFUSALS, AmocrmError, NotFound, PageTooLarge
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.values import Row, as_list, child
from source_amocrm.sync.declaration import Context
from source_amocrm.sync.events import EventReading
from source_amocrm.sync.read_plan import BEGINNING, ReadPlan
from source_amocrm.walk.intervals import FOREVER, IntervalSet
from source_amocrm.walk.listing import Listing, numeric_id
from source_amocrm.walk.worker_pool import MOST_AHEAD, Prefetch, WorkerPool

LOGGER = logging.getLogger("airbyte")
T = TypeVar("T")

TALKS = "/api/v4/talks"
TALKS_AT_ONCE = 50
"""Ids in one filtered request (talks); amoCRM answers longer addresses with «HTTP URL too long»."""


class Talks(FullRefreshStream):
    """The talks of the list, and then those that chat events name and the list lacks, asked for by id."""

    name = "talks"
    primary_key = ["talk_id"]
    relations = {
        "contact_id": to.CONTACT,
        "entity_id": to.OneOf("entity_type", {"lead": to.DEAL, "customer": to.CUSTOMER}),
        "source_id": to.SOURCE,
        "account_id": to.ACCOUNT,
        "contacts": to.CONTACT,
        "leads": to.DEAL,
        "customers": to.CUSTOMER,
    }
    list_path = TALKS
    collection = "talks"

    def completing_paths(self) -> Iterator[str]:
        yield EVENTS.path

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
        start = self.account.config.start or BEGINNING
        plan = ReadPlan(IntervalSet(((start, FOREVER),)), deletions_since=start)
        try:
            batches = EventReading(self.account, plan, tuple(CHATS)).batches()
            return {talk_id for batch in batches for event in batch.page.rows for talk_id in talk_ids(event)}
        except REFUSALS as error:
            raise AmocrmError(
                "The talks that amoCRM lists are read, but it may list the newest ones only, and the events that name "
                f"the others are refused. {error}",
                failure_type=error.failure_type,
                status=error.status,
            ) from None


class Bots(FullRefreshStream):
    name = "bots"
    primary_key = ["bot_id"]
    list_path = "/api/v4/bots"
    collection = "items"


def talk_ids(event: Row) -> Iterator[int]:
    """Yields the ids of the talks that a chat event names."""
    for value in as_list(event.get("value_after")):
        talk_id = numeric_id(child(child(value, "message"), "talk_id"))
        if talk_id:
            yield talk_id


def talks_by_id(account: Account, ids: Iterable[int]) -> Iterator[Row]:
    """Yields the talks that exist among `ids`.

    Asks the list for many ids at once as long as it honours `filter[talk_id]`. A talk that the filtered list does not
    show is asked for by itself, because the filter may apply only to what the list shows. If the first filtered request
    brings no talk, no other one is sent.
    """
    left, alone = sorted(set(ids)), []
    honoured = False
    while left:
        asked = left[:TALKS_AT_ONCE]
        found = _filtered(account, asked)
        honoured = honoured or bool(found)
        if not honoured or found is None:
            alone += left
            break
        left = left[TALKS_AT_ONCE:]
        yield from found.values()
        alone += [talk_id for talk_id in asked if talk_id not in found]
    for talk in in_order(account.pool, (partial(talk_by_id, account, talk_id) for talk_id in alone)):
        if talk is not None:
            yield talk


def _filtered(account: Account, ids: list[int]) -> dict[int | None, Row] | None:
    """Asks the list for these ids. Returns None if it ignores the filter or cannot answer."""
    listing = Listing(account.get, TALKS, "talks", TALKS_AT_ONCE, {"filter[talk_id][]": ids})
    try:
        rows = listing.ask({}).rows
    except (NotFound, PageTooLarge):
        return None
    found = {numeric_id(row.get("talk_id")): row for row in rows}
    return found if found.keys() <= set(ids) else None


def talk_by_id(account: Account, talk_id: int) -> Row | None:
    """Asks for one talk. Returns None for 404 and 204: the talk is gone."""
    try:
        body = account.get_believed(f"{TALKS}/{talk_id}", {}).body
    except NotFound:
        return None
    return body if body and numeric_id(body.get("talk_id")) == talk_id else None


def in_order(pool: WorkerPool, tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Yields the results of `tasks` in their order, and begins with later ones while the request budget has room."""
    begun: deque[Prefetch[T]] = deque()
    for task in tasks:
        begun.append(Prefetch(pool, task))
        if pool.vacancies():
            begun[-1].start()
        while len(begun) > MOST_AHEAD or (begun and not begun[-1].started):
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
