"""The rows of one stream in one sync, and a None wherever a state is due."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from functools import partial

from source_amocrm.account.account import Account
from source_amocrm.account.resources import EVENTS, Resource
from source_amocrm.errors import AmocrmError, all_of
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.declaration import FullRefresh, Incremental
from source_amocrm.sync.delivery_order import Delivery, NewestFirst, PageOrder
from source_amocrm.sync.event_reading import EventReading
from source_amocrm.sync.progress import Progress, ReadPlan
from source_amocrm.sync.row_maker import RowMaker
from source_amocrm.sync.sync import Selection, Sync
from source_amocrm.walk.broadcast import Subscription
from source_amocrm.walk.intervals import IntervalSet
from source_amocrm.walk.listing import Row

LOGGER = logging.getLogger("airbyte")


def deliver_alone(account: Account, stream: FullRefresh | Incremental, progress: Progress | None) -> Iterator[Row]:
    """The rows of a stream that shares no reading with another."""
    selection = Selection(stream, progress)
    sync = Sync(account, [selection])
    sync.start()
    try:
        yield from (row for row in deliver(sync, selection) if row is not None)
    finally:
        sync.stop()


def deliver(sync: Sync, selection: Selection) -> Delivery:
    """Every row of the stream that this sync must bring. An AmocrmError is raised after all rows that could be read."""
    stream, progress = selection.stream, selection.progress
    if isinstance(stream, FullRefresh):
        yield from _whole(sync.account, stream)
        return
    assert progress is not None
    failures: list[AmocrmError] = []
    subscriptions = sync.subscriptions(stream.name)
    try:
        started = sync.account.facts().started
        if progress.in_the_future(started):
            LOGGER.warning(
                "%s: by amoCRM's clock its saved state is of a time that has not come yet. If that is right, rows may "
                "have been passed over, so the next sync reads the stream anew.",
                stream.name,
            )
        progress.begin(sync.plans[stream.name], started)
        for resource, subscription in subscriptions:
            with closing(subscription):
                try:
                    yield from _list(sync, stream, progress, resource, subscription)
                except AmocrmError as error:
                    failures.append(error)
            yield None
    finally:
        for _, subscription in subscriptions:
            subscription.close()
    if failures:
        raise all_of(failures)


def _whole(account: Account, stream: FullRefresh) -> Iterator[Row]:
    if stream.scope and (lacking := account.not_granted(stream.scope)):
        raise lacking
    try:
        yield from stream.all_rows()
    except AmocrmError as error:
        if not account.lacks(error):
            raise
        LOGGER.info("%s: there are none in this account. %s", stream.name, error)


def _list(
    sync: Sync, stream: Incremental, progress: Progress, resource: Resource, subscription: Subscription[Batch]
) -> Delivery:
    """The rows that are made of one input of the stream."""
    try:
        sync.account.require(resource.path)
        maker = RowMaker(stream, resource, sync.resolver)
        if resource is EVENTS and stream.newest_first:
            kinds, until = stream.kinds or (), sync.account.facts().until
            between = partial(_events_between, sync.account, kinds)
            yield from NewestFirst(maker, progress, kinds, until, between).deliver(subscription)
        else:
            yield from PageOrder(maker, progress, resource.name, sync.account.clocks.now).deliver(subscription)
    except AmocrmError as error:
        if error.path != resource.path or not sync.account.lacks(error):
            raise
        LOGGER.info("%s of %s: there are none in this account. %s", stream.name, resource.name, error)
        progress.put_off(resource.name)
    else:
        progress.finish(resource.name)


def _events_between(account: Account, kinds: tuple[str, ...], low: int, high: int) -> Iterator[Row]:
    reading = EventReading(account, ReadPlan(IntervalSet(((low, high),)), deletions_since=low), kinds)
    return (row for batch in reading.batches() for row in batch.page.rows)
