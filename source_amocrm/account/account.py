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

from source_amocrm.account import off
from source_amocrm.account.opening import Opening
from source_amocrm.account.resources import SCOPES, EntityList
from source_amocrm.config.settings import Config
from source_amocrm.errors import AmocrmError, NotFound, NotGranted
from source_amocrm.http.api import ACCOUNT_PATH, Answer, Api
from source_amocrm.walk.elements import identified
from source_amocrm.walk.full import full
from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import DOUBTS, Listing, Params, Row, found_in, key

LOGGER = logging.getLogger("airbyte")
T = TypeVar("T")

IDS_AT_ONCE = 50
"""More ids in one request have been answered with «HTTP URL too long»."""


def whole(listing: Listing) -> list[Row]:
    """A list that is short, and that not every account has: what is refused half-way has not been read."""
    opening = Opening(listing.path)
    with opening.watched(off.ANSWERS):
        return full(replace(listing, on_page=opening.look))


class Once(Generic[T]):
    """A value that is worked out when it is first wanted, once, whatever number of threads want it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._known: tuple[T] | None = None
        self._failed: Exception | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._failed:
                raise self._failed.with_traceback(None)
            if self._known is None:
                try:
                    self._known = (self._work(),)
                except Exception as error:
                    self._failed = error
                    raise
            return self._known[0]

    @property
    def known(self) -> bool:
        return self._known is not None


@dataclass(frozen=True, slots=True)
class Facts:
    """What `/account` tells. `server_time` and `begun` belong together: the same moment by the server and by us."""

    id: int | None
    filter_works: bool
    timezone: tzinfo
    started: int
    body: Mapping[str, Any]


class Account:
    """`extras`: the `with` parameters of `/account` that the selected streams need; `list_extras`: by dictionary table,
    those of its list.
    """

    def __init__(
        self,
        config: Config,
        api: Api,
        extras: Collection[str] = (),
        list_extras: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.config = config
        self.api = api
        self.hands = Hands(config.num_workers, api.room)
        self.facts = Once(self._ask_facts)
        self._extras = sorted({"is_api_filter_enabled", *extras})
        self._list_extras = list_extras or {}
        self._begun = api.clock()
        self._now = 0
        self._clock_ahead = -math.inf
        self._filter_ignored = False
        self._lists: dict[str, Once[list[Row]]] = {}
        self._lock = threading.Lock()

    def get(self, path: str, params: Params | None = None, *, shrinkable: bool = False) -> Answer:
        answer = self.api.get(path, params or {}, shrinkable=shrinkable)
        self._now = max(self._now, answer.server_time)
        self._clock_ahead = max(self._clock_ahead, answer.server_time - self.api.clock())
        return answer

    def now(self) -> int:
        """The server's time, as the last answers told it."""
        return self._now

    def clock(self) -> float:
        """The server's time at this moment, at least."""
        return self._clock_ahead + self.api.clock()

    def wait_until(self, second: float) -> None:
        """Until the server's clock has come to `second`."""
        self.api.sleep(max(0.0, second - self.clock()))

    def filter_works(self, entities: EntityList) -> bool:
        """Whether the list's filter can be relied on: the account says so, and no answer has shown otherwise."""
        return not entities.paid_filter or (not self._filter_ignored and self.facts().filter_works)

    def filter_may_work(self, entities: EntityList) -> bool:
        """As `filter_works`, but without waiting for what the account says: the answers show it if it does not."""
        return not self.facts.known or self.filter_works(entities)

    def filter_is_ignored(self) -> None:
        if self.facts().filter_works and not self._filter_ignored:
            self._filter_ignored = True
            LOGGER.warning(
                "amoCRM ignored the filter by time although the account says that it is on; "
                "the lists are read without it, which takes more requests."
            )

    def listing(self, entities: EntityList, params: Params | None = None) -> Listing:
        return Listing(self.get, entities.path, entities.collection, params=params or {})

    def dictionary(self, path: str, collection: str, params: Params | None = None) -> list[Row]:
        """A list that is short, whole; asked for once in a process."""
        self.require(path)
        with self._lock:
            known = self._lists.setdefault(
                path, Once(lambda: whole(Listing(self.get, path, collection, params=params or {})))
            )
        return known()

    def extras_of(self, table: str) -> Params:
        """The `with` parameter of a dictionary table's list."""
        wanted = self._list_extras.get(table)
        return {"with": ",".join(sorted(wanted))} if wanted else {}

    def by_ids(self, entities: EntityList, ids: Iterable[int], params: Params | None = None) -> Iterator[Row]:
        """The entities that exist among `ids`, in batches where the filter works, else one by one."""
        left = sorted(set(ids))
        if self.filter_works(entities):
            for start in range(0, len(left), IDS_AT_ONCE):
                batch = left[start : start + IDS_AT_ONCE]
                rows = full(self.listing(entities, params).narrowed({"filter[id][]": batch}))
                if any(row.get("id") not in batch for row in rows):
                    self.filter_is_ignored()
                    yield from self._one_by_one(entities, left[start:], params)
                    return
                yield from rows
        else:
            yield from self._one_by_one(entities, left, params)

    def _one_by_one(self, entities: EntityList, ids: Iterable[int], params: Params | None) -> Iterator[Row]:
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
        """One entity; that there is none (204) is not believed at once."""
        for _ in range(DOUBTS):
            answer = self.get(path, params)
            if answer.body is not None:
                return answer
        return self.get(path, params)

    def require(self, path: str) -> None:
        """Spares asking for a list where the account's settings say that it is off. Raises FeatureOff then."""
        if error := off.unasked(path, lambda: self.facts().body):
            raise error

    def lacks(self, error: AmocrmError) -> bool:
        """Whether it tells that the account has no such part."""
        return off.is_off(error, lambda: self.facts().body)

    def not_granted(self, scope: str) -> NotGranted | None:
        """Spares asking for what the token says that it may not read: why, None where it does not say so."""
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
        return Facts(
            id=own if isinstance(own, int) else None,
            filter_works=flag is None or bool(flag),
            timezone=_timezone(body),
            started=answer.server_time - math.ceil(self.api.clock() - self._begun) - 1,
            body=body,
        )

    def embedded(self, collection: str) -> list[Row]:
        """A dictionary that comes with `/account`."""
        return found_in(Answer(dict(self.facts().body), 0, 0), collection).rows


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
