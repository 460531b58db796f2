"""Checks an account: asks for the account, and for one row of each list that a table is made of.

The tables declare their lists, so a check foresees what `read` will leave incomplete or empty.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from source_amocrm.account import Account
from source_amocrm.account.resources import EVENTS
from source_amocrm.auth.claims import check_account
from source_amocrm.errors import REFUSALS, AmocrmError, BadRequest, Forbidden, sentence_for_lists, shared_cause
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import AmocrmStream, FullRefreshStream, IncrementalStream

EXTRAS = ("drive_url",)
"""The `with` parameters of `/account` that it needs."""
WITHOUT_EVENTS = (
    " Only the events tell what was deleted or restored: tables whose rows can be deleted are read, and reported as "
    "not complete."
)


class Impact(Enum):
    """How a table will lack rows, in the words of messages."""

    CLOSED = "Not available"
    PARTLY = "Not complete"
    EMPTY = "Empty"


@dataclass(frozen=True)
class Finding:
    """Streams that will lack rows in one way for one reason. `paths`: the lists that were refused in these words."""

    impact: Impact
    error: AmocrmError
    streams: tuple[str, ...]
    paths: tuple[str, ...]

    def __str__(self) -> str:
        told = sentence_for_lists(self.error, self.paths)
        events = WITHOUT_EVENTS if self.impact is Impact.PARTLY and EVENTS.path in self.paths else ""
        return f"{self.impact.value}: {', '.join(self.streams)}. {told}{events}"


@dataclass(frozen=True)
class Needs:
    """The paths of the lists that a table needs.

    `made_of`: they hold its records. `vital`: without them no row can be made. `completed_by`: without them some rows
    are missing. `columns`: a column is taken from them, which is left empty where the token's user may not see them.
    """

    made_of: tuple[str, ...] = ()
    vital: tuple[str, ...] = ()
    completed_by: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.made_of, *self.vital, *self.completed_by, *self.columns)


Refusals = Callable[[tuple[str, ...]], dict[str, AmocrmError]]
"""Returns those of the lists that were refused, and why."""


def findings(account: Account) -> list[Finding]:
    """Lists the streams that will be incomplete or empty, and why. Asks for one page of a list at most.

    Raises AmocrmError when the account cannot be read at all: a wrong address, a token that is not valid, no list
    that may be seen.
    """
    account = account.sampled()
    check_account(account.api.auth.claims.account_id, account.facts().body)
    streams = [stream(account) for stream in STREAMS.values()]
    with_events = {
        resource.path
        for stream in streams
        if isinstance(stream, IncrementalStream)
        for resource in stream.resources
        if resource.has_links or (stream.deletable and account.config.mark_deleted)
    }
    needs: dict[AmocrmStream, Needs] = {}
    asked: dict[str, Future[AmocrmError | None]] = {}

    def refusals(paths: tuple[str, ...]) -> dict[str, AmocrmError]:
        return {path: error for path in paths if (error := asked[path].result())}

    try:
        for stream in streams:
            needs[stream] = _needs(account, stream, with_events)
            for path in needs[stream].paths:
                if path not in asked:
                    asked[path] = account.pool.submit(partial(_refusal, account, stream, path))
        refused = refusals(everywhere := _of_every_account(streams))
        if len(refused) == len(everywhere):
            raise next(iter(refused.values()))
        told = [one for stream, need in needs.items() for one in _suffered(account, stream, need, refusals)]
    finally:
        account.pool.shut_down()
    return _by_reason(told)


def _of_every_account(streams: Sequence[AmocrmStream]) -> tuple[str, ...]:
    resources = [one for stream in streams if isinstance(stream, IncrementalStream) for one in stream.resources]
    entities = (one.path for one in resources if not one.optional)
    dictionaries = (one.list_path for one in streams if isinstance(one, FullRefreshStream) and one.in_every_account)
    return tuple(dict.fromkeys((*entities, EVENTS.path, *dictionaries)))


def _needs(account: Account, stream: AmocrmStream, with_events: Collection[str]) -> Needs:
    """`with_events`: the paths of the lists for which a sync asks the events what happened to the rows."""
    if _not_granted(account, stream):
        return Needs()
    made_of, columns = tuple(stream.paths()), tuple(lookup.resource.path for lookup in stream.lookups.values())
    if isinstance(stream, FullRefreshStream):
        return Needs(made_of, completed_by=tuple(stream.completing_paths()), columns=columns)
    assert isinstance(stream, IncrementalStream)
    completed = stream.kinds is None and any(path in with_events for path in made_of)
    return Needs(made_of, tuple(stream.vital_paths()), (EVENTS.path,) if completed else (), columns)


def _refusal(account: Account, stream: AmocrmStream, path: str) -> AmocrmError | None:
    try:
        account.require(path)
        stream.probe(path)
    except (*REFUSALS, BadRequest) as error:
        return error
    except AmocrmError as error:
        if path.startswith("/api/"):
            raise
        return error  # of another host, which stops nobody else
    return None


def _not_granted(account: Account, stream: AmocrmStream) -> AmocrmError | None:
    return account.not_granted(stream.scope) if isinstance(stream, FullRefreshStream) and stream.scope else None


def _suffered(account: Account, stream: AmocrmStream, needs: Needs, refusals: Refusals) -> Iterator[Finding]:
    if lacking := _not_granted(account, stream):
        yield Finding(Impact.CLOSED, lacking, (stream.name,), ())
        return
    own = refusals(needs.made_of)
    off = {path: error for path, error in own.items() if account.lacks(error)}
    if needs.made_of and len(off) == len(own) == len(set(needs.made_of)):
        yield from _each(Impact.EMPTY, stream, off)
        return
    vital, columns = refusals(needs.vital), refusals(needs.columns)
    refused = {
        **{path: error for path, error in own.items() if path not in off},
        **vital,
        **refusals(needs.completed_by),
        **{path: error for path, error in columns.items() if not isinstance(error, Forbidden)},
    }
    closed = vital or (own and len(own) == len(set(needs.made_of)))
    yield from _each(Impact.CLOSED if closed else Impact.PARTLY, stream, refused)


def _each(impact: Impact, stream: AmocrmStream, errors: Mapping[str, AmocrmError]) -> Iterator[Finding]:
    return (Finding(impact, error, (stream.name,), (path,)) for path, error in errors.items())


def _by_reason(told: list[Finding]) -> list[Finding]:
    found: dict[tuple[Impact, str], Finding] = {}
    for one in told:
        said = one.impact, shared_cause(one.error)
        known = found.get(said, one)
        streams, paths = (*known.streams, *one.streams), (*known.paths, *one.paths)
        found[said] = replace(known, streams=tuple(dict.fromkeys(streams)), paths=tuple(dict.fromkeys(paths)))
    return sorted(found.values(), key=lambda finding: list(Impact).index(finding.impact))
