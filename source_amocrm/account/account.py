"""What all streams of a sync share of one account: its API, and its facts and dictionaries, each requested once."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airbyte_cdk.models import FailureType

from source_amocrm.account.availability import is_off, off_by_settings, whole
from source_amocrm.account.clocks import Clocks
from source_amocrm.account.events_page_size import EventsPageSize
from source_amocrm.account.resources import SCOPE_NAMES, Resource
from source_amocrm.config import Config
from source_amocrm.errors import AmocrmError, NotGranted, error_copy
from source_amocrm.http import ACCOUNT_PATH, Answer, Api, Params
from source_amocrm.walk import Listing, Row
from source_amocrm.walk.listing import EMPTY_RETRIES, rows_of
from source_amocrm.walk.worker_pool import WorkerPool

LOGGER = logging.getLogger("airbyte")
T = TypeVar("T")


class Memoized(Generic[T]):
    """Memoizes the result of `work`, also a failure. Safe to share by threads."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._result = Future[T]()

    def __call__(self) -> T:
        with self._lock:
            if not self._result.done():
                try:
                    self._result.set_result(self._work())
                except Exception as error:
                    self._result.set_exception(error_copy(error))
                    raise
        if failed := self._result.exception():
            raise error_copy(failed)
        return self._result.result()

    @property
    def known(self) -> bool:
        return self._result.done() and not self._result.exception()


@dataclass(frozen=True, slots=True)
class Facts:
    """What `/account` says, and the start of the sync (Unix seconds).

    `started`: by the earlier clock; rows dated later are left to the next sync. `until`: by the later clock; no event
    from before the sync is dated later. `passed`: a second that is over by every clock that may be right.
    """

    id: int | None
    filter_works: bool
    timezone: tzinfo
    started: int
    until: int
    passed: int
    body: Mapping[str, Any]


class Account:
    """One account: its facts, its lists, and which of their filters work.

    `extras`: the `with` parameters of `/account` that the selected streams need; fixed before `facts` is called.
    `sampled`: of each dictionary only the first page is read, for commands that must end soon on any list.
    """

    def __init__(self, config: Config, api: Api, extras: Collection[str] = ()) -> None:
        self.config = config
        self.api = api
        self.pool = WorkerPool(config.num_workers, api.budget.room)
        self.events_page_size = EventsPageSize()
        self.facts = Memoized(self._request_facts)
        self.extras = {"is_api_filter_enabled", *extras}
        self.clocks = Clocks(api.wall, api.clock)
        self._begun = api.clock()
        self._filter_ignored = False
        self._lists: dict[str, Memoized[list[Row]]] = {}
        self.read_at: dict[str, str] = {}
        """The moment of the reading of each dictionary, by path."""
        self.sampled = False

    def get(self, path: str, params: Params | None = None, *, shrinkable: bool = False) -> Answer:
        return self.clocks.note(self.api.get(path, params or {}, shrinkable=shrinkable))

    def filter_works(self, resource: Resource) -> bool:
        """Whether the list's filter works: the account says so, and no response has shown otherwise."""
        return not resource.paid_filter or (not self._filter_ignored and self.facts().filter_works)

    def filter_may_work(self, resource: Resource) -> bool:
        """As `filter_works`, but True while `/account` has not answered: the responses of the list will tell."""
        return not self.facts.known or self.filter_works(resource)

    def filter_is_ignored(self) -> None:
        if self.facts().filter_works and not self._filter_ignored:
            self._filter_ignored = True
            LOGGER.warning(
                "amoCRM ignored or refused the filter although the account says that it is on; "
                "the lists are read without it, which takes more requests."
            )

    def listing(self, resource: Resource, params: Params | None = None) -> Listing:
        listing = Listing(self.get, resource.path, resource.collection, cursor=resource.cursor, pool=self.pool)
        return listing.narrowed(params or {})

    def dictionary(self, path: str, collection: str, params: Params | None = None) -> list[Row]:
        """Returns a short list whole, or its first page in a `sampled` account. Each list is requested once."""
        self.require(path)
        listing = Listing(self.get, path, collection, params=params or {}, pool=self.pool)

        def rows() -> list[Row]:
            found = listing.ask({}).rows if self.sampled else whole(listing)
            self.read_at[path] = self.clocks.reading()
            return found

        return self._lists.setdefault(path, Memoized(rows))()

    def get_retrying_empty(self, path: str, params: Params) -> Answer:
        """Gets a path that is no list. Retries a 204 before it believes it."""
        for _ in range(EMPTY_RETRIES):
            answer = self.get(path, params)
            if answer.body is not None:
                return answer
        return self.get(path, params)

    def require(self, path: str) -> None:
        """Raises FeatureOff if the account's settings say that the list is off."""
        if error := off_by_settings(path, lambda: self.facts().body):
            raise error

    def lacks(self, error: AmocrmError) -> bool:
        """Whether the error means that the account has no such part."""
        return is_off(error, lambda: self.facts().body)

    def not_granted(self, scope: str) -> NotGranted | None:
        """Returns the refusal to expect if the token names its scopes and `scope` is not among them; None otherwise."""
        self.facts()  # before this request there may be no token yet
        granted = self.api.auth.claims.scopes
        if granted is None or scope in granted:
            return None
        return NotGranted(
            f"The token lacks the scope “{scope}”. Tick «{SCOPE_NAMES[scope]}» in the integration, and then grant "
            "access again or create a new token; or leave the table out.",
            failure_type=FailureType.config_error,
        )

    def _request_facts(self) -> Facts:
        answer = self.get_retrying_empty(ACCOUNT_PATH, {"with": ",".join(sorted(self.extras))})
        body = answer.body
        if body is None:
            raise AmocrmError(
                f"amoCRM answered {ACCOUNT_PATH} with nothing, again and again. Try again later; what a sync has read "
                "is kept.",
                failure_type=FailureType.transient_error,
                status=204,
            )
        account_id, flag = body.get("id"), body.get("is_api_filter_enabled")
        ago = math.ceil(self.api.clock() - self._begun) + 1
        return Facts(
            id=account_id if isinstance(account_id, int) else None,
            filter_works=flag is None or bool(flag),
            timezone=_timezone(body, "datetime_settings" in self.extras),
            started=min(int(answer.server_time), self.clocks.ours()) - ago,
            until=int(answer.latest) - ago,
            passed=int(answer.earliest) - ago,
            body=body,
        )

    def embedded(self, collection: str) -> list[Row]:
        return rows_of(self.facts().body, collection)


def _timezone(body: Mapping[str, Any], wanted: bool) -> tzinfo:
    """Returns the time zone of the account's dates. Without one returns UTC, with a warning if `wanted`."""
    embedded = body.get("_embedded")
    settings = embedded.get("datetime_settings") if isinstance(embedded, dict) else None
    zone = settings if isinstance(settings, dict) else {}
    with suppress(OSError, ValueError, ZoneInfoNotFoundError):
        return ZoneInfo(str(zone.get("timezone")))
    try:
        return datetime.strptime(str(zone.get("timezone_offset")), "%z").tzinfo or timezone.utc
    except ValueError:
        if wanted:
            LOGGER.warning("amoCRM did not tell the account's time zone; dates are taken as of UTC.")
    return timezone.utc
