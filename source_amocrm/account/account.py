"""What every stream of a sync shares: the API, the account's facts and dictionaries, each asked for once."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta, timezone, tzinfo
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airbyte_cdk.models import FailureType

from source_amocrm.account import switched_off
from source_amocrm.account.clocks import Clocks
from source_amocrm.account.opening import Opening
from source_amocrm.account.resources import EVENTS_LIMIT, MOST_EVENTS, SCOPES, Resource
from source_amocrm.config.settings import Config
from source_amocrm.errors import AmocrmError, NotFound, NotGranted, Unpaid, anew
from source_amocrm.http.answer import Answer, Params
from source_amocrm.http.api import ACCOUNT_PATH, Api
from source_amocrm.walk.embedded import identified, rows_of
from source_amocrm.walk.full import full
from source_amocrm.walk.listing import EMPTY_RETRIES, Answered, FilterIgnored, Listing, Row, key
from source_amocrm.walk.page_number import by_page_number
from source_amocrm.walk.page_size import LargestPage
from source_amocrm.walk.worker_pool import WorkerPool

LOGGER = logging.getLogger("airbyte")
T = TypeVar("T")

IDS_AT_ONCE = 50
"""More ids in one request have been answered with «HTTP URL too long»."""


def whole(listing: Listing, pool: WorkerPool | None = None) -> list[Row]:
    """Reads a short list whole, which not every account has. A refusal half-way does not mean that it is missing."""
    opening = Opening(listing)
    with opening.watched(switched_off.ANSWERS):
        return full(opening.listing, pool)


def in_parts(listing: Listing, pool: WorkerPool | None = None) -> Iterator[list[Row]]:
    """As `whole`, for a list of any length: each row once, in the order of ids where the list can be had so."""
    opening = Opening(listing)
    with opening.watched(switched_off.ANSWERS):
        for page in by_page_number(opening.listing, pool):
            yield page.rows


class Once(Generic[T]):
    """A value that is worked out once, when it is first needed; safe to share by threads. A failure is kept, too."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._known: tuple[T] | None = None
        self._failed: Exception | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._failed:
                raise anew(self._failed)
            if self._known is None:
                try:
                    self._known = (self._work(),)
                except Exception as error:
                    self._failed = anew(error)
                    raise
            return self._known[0]

    @property
    def known(self) -> bool:
        return self._known is not None


@dataclass(frozen=True, slots=True)
class Facts:
    """What `/account` tells.

    `started` is a time that had passed when the sync began, by whichever clock is right: what is dated later than that
    is left to the next one. `until` is that moment by the later clock, behind which no event of before is dated.
    """

    id: int | None
    filter_works: bool
    timezone: tzinfo
    started: int
    until: int
    body: Mapping[str, Any]


class Account:
    """`extras`: the `with` parameters of `/account` that the selected streams need."""

    def __init__(self, config: Config, api: Api, extras: Collection[str] = ()) -> None:
        self.config = config
        self.api = api
        self.pool = WorkerPool(config.num_workers, api.room)
        self.events_pages = LargestPage(MOST_EVENTS, EVENTS_LIMIT)
        self.facts = Once(self._ask_facts)
        self._extras = sorted({"is_api_filter_enabled", *extras})
        self.clocks = Clocks(api.wall)
        self._begun = api.clock()
        self._now = 0
        self._clock_ahead = -math.inf
        self._filter_ignored = False
        self._lists: dict[str, Once[list[Row]]] = {}
        self._lock = threading.Lock()

    def get(self, path: str, params: Params | None = None, *, shrinkable: bool = False) -> Answer:
        answer = self.api.get(path, params or {}, shrinkable=shrinkable)
        drift = self.clocks.drift(answer.server_time)
        self._now = max(self._now, answer.server_time + max(0, drift))
        self._clock_ahead = max(self._clock_ahead, answer.server_time - self.api.clock())
        return replace(answer, drift=drift, tick=self.api.clock())

    def now(self) -> int:
        """The time of the last answer in Unix seconds, by the later of the two clocks."""
        return self._now

    def moment(self) -> Answered:
        """This moment, as if a request left and was answered now. The server's clock shows this time or a later one."""
        tick = self.api.clock()
        server = self._clock_ahead + tick
        return Answered(server - 1, server, self.clocks.drift(int(server)), tick)

    def filter_works(self, entities: Resource) -> bool:
        """Whether the list's filter works: the account says so, and no answer has shown otherwise."""
        return not entities.paid_filter or (not self._filter_ignored and self.facts().filter_works)

    def filter_may_work(self, entities: Resource) -> bool:
        """As `filter_works`, but True while the account has not answered: the list's answers will show it."""
        return not self.facts.known or self.filter_works(entities)

    def filter_is_ignored(self) -> None:
        if self.facts().filter_works and not self._filter_ignored:
            self._filter_ignored = True
            LOGGER.warning(
                "amoCRM ignored or refused the filter although the account says that it is on; "
                "the lists are read without it, which takes more requests."
            )

    def listing(self, entities: Resource, params: Params | None = None) -> Listing:
        return Listing(self.get, entities.path, entities.collection, params=params or {})

    def dictionary(self, path: str, collection: str, params: Params | None = None) -> list[Row]:
        """A short list, whole; it is asked for once in a process."""
        self.require(path)
        with self._lock:
            known = self._lists.setdefault(
                path, Once(lambda: whole(Listing(self.get, path, collection, params=params or {}), self.pool))
            )
        return known()

    def by_ids(
        self,
        entities: Resource,
        ids: Iterable[int],
        params: Params | None = None,
        unfiltered: Callable[[list[int]], Iterator[Row]] | None = None,
    ) -> Iterator[Row]:
        """The entities that exist among `ids`: in batches if the filter works, else by `unfiltered`, or one by one."""
        left = sorted(set(ids))
        try:
            while left and self.filter_works(entities):
                rows = self._batch(entities, left[:IDS_AT_ONCE], params)
                left = left[IDS_AT_ONCE:]
                yield from rows
        except (FilterIgnored, Unpaid):
            self.filter_is_ignored()
        yield from unfiltered(left) if unfiltered else self.one_by_one(entities, left, params)

    def _batch(self, entities: Resource, ids: list[int], params: Params | None) -> list[Row]:
        """Raises FilterIgnored at the first page that has other entities."""
        return full(self.listing(entities, params).of_ids(ids))

    def one_by_one(self, entities: Resource, ids: Iterable[int], params: Params | None = None) -> Iterator[Row]:
        for own in ids:
            try:
                body = self._ask_again(f"{entities.path}/{own}", params or {}).body
            except NotFound:
                continue
            # A list shows neither what is in the trash nor what waits in «Неразобранное».
            body = identified(body) if body else None
            if body and key(body) == own and not body.get("is_deleted") and not body.get("is_unsorted"):
                yield body

    def _ask_again(self, path: str, params: Params) -> Answer:
        """One entity. A 204 is asked for again before it is believed."""
        for _ in range(EMPTY_RETRIES):
            answer = self.get(path, params)
            if answer.body is not None:
                return answer
        return self.get(path, params)

    def require(self, path: str) -> None:
        """Raises FeatureOff if the account's settings say that the list is off, so that it need not be asked for."""
        if error := switched_off.unasked(path, lambda: self.facts().body):
            raise error

    def lacks(self, error: AmocrmError) -> bool:
        """Whether the error means that the account has no such part."""
        return switched_off.is_off(error, lambda: self.facts().body)

    def not_granted(self, scope: str) -> NotGranted | None:
        """The refusal to expect if the token itself says that it lacks the scope; None if it does not say so."""
        self.facts()  # with which a first token has come
        granted = self.api.auth.scopes
        if granted is None or scope in granted:
            return None
        return NotGranted(
            f"The token lacks the scope “{scope}”. Tick «{SCOPES[scope]}» in the integration, and then grant access "
            "again or create a new token; or leave the table out.",
            failure_type=FailureType.config_error,
        )

    def _ask_facts(self) -> Facts:
        answer = self._ask_again(ACCOUNT_PATH, {"with": ",".join(self._extras)})
        body = answer.body
        if body is None:
            raise AmocrmError(
                f"amoCRM answered {ACCOUNT_PATH} with nothing, again and again. Try again later; what a sync has read "
                "is kept.",
                failure_type=FailureType.transient_error,
                status=204,
            )
        flag = body.get("is_api_filter_enabled")
        own = body.get("id")
        ago = math.ceil(self.api.clock() - self._begun) + 1
        return Facts(
            id=own if isinstance(own, int) else None,
            filter_works=flag is None or bool(flag),
            timezone=_timezone(body),
            started=min(answer.server_time, self.clocks.ours()) - ago,
            until=answer.server_time + max(0, answer.drift) - ago,
            body=body,
        )

    def embedded(self, collection: str) -> list[Row]:
        """A dictionary that comes with `/account`."""
        return rows_of(self.facts().body, collection)


def _timezone(body: Mapping[str, Any]) -> tzinfo:
    """The account's time zone, in which amoCRM means dates; UTC where it does not tell."""
    embedded = body.get("_embedded")
    settings = embedded.get("datetime_settings") if isinstance(embedded, dict) else None
    if isinstance(settings, dict):
        try:
            return ZoneInfo(str(settings.get("timezone")))
        except (OSError, ValueError, ZoneInfoNotFoundError):
            pass
        try:
            sign = -1 if str(settings["timezone_offset"])[0] == "-" else 1
            hours, minutes = (int(part) for part in str(settings["timezone_offset"]).lstrip("+-").split(":"))
            return timezone(sign * timedelta(hours=hours, minutes=minutes))
        except (KeyError, IndexError, ValueError):
            LOGGER.warning("amoCRM did not tell the account's time zone; dates are taken as of UTC.")
    return timezone.utc
