"""Checks an account: asks for the account, and for one row of each list that a table is made of.

The tables declare their lists, so a check foresees what `read` will leave incomplete or empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import chain
from typing import NamedTuple

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


@dataclass
class Finding:
    """Streams that will lack rows in one way for one reason. `paths`: the lists that were refused in these words."""

    impact: Impact
    error: AmocrmError
    streams: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = sentence_for_lists(self.error, self.paths)
        events = WITHOUT_EVENTS if self.impact is Impact.PARTLY and EVENTS.path in self.paths else ""
        return f"{self.impact.value}: {', '.join(self.streams)}. {told}{events}"


class Needs(NamedTuple):
    """The paths of the lists that a table needs.

    `made_of`: they hold its records. `vital`: without them no row can be made. `completed_by`: without them some rows
    are missing. `columns`: a column is taken from them, which is left empty where the token's user may not see them.
    """

    made_of: Sequence[str] = ()
    vital: Sequence[str] = ()
    completed_by: Sequence[str] = ()
    columns: Sequence[str] = ()


Refusals = Callable[[Iterable[str]], dict[str, AmocrmError]]
"""Returns those of the lists that were refused, and why."""


def findings(account: Account) -> list[Finding]:
    """Lists the streams that will be incomplete or empty, and why. Asks for one page of a list at most.

    Raises AmocrmError when the account cannot be read at all: a wrong address, a token that is not valid, no list
    that may be seen.
    """
    account.sampled = True
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
    found: dict[tuple[Impact, str], Finding] = {}

    def refusals(paths: Iterable[str]) -> dict[str, AmocrmError]:
        return {path: error for path in paths if (error := asked[path].result())}

    try:
        for stream in streams:
            needs[stream] = _needs(account, stream, with_events)
            for path in chain(*needs[stream]):
                if path not in asked:
                    asked[path] = account.pool.submit(partial(_refusal, account, stream, path))
        everywhere = _of_every_account(streams)
        refused = refusals(everywhere)
        if refused.keys() == everywhere.keys():
            raise next(iter(refused.values()))
        for stream, need in needs.items():
            for impact, error, path in _suffered(account, stream, need, refusals):
                finding = found.setdefault((impact, shared_cause(error)), Finding(impact, error))
                finding.paths.append(path)
                if stream.name not in finding.streams:
                    finding.streams.append(stream.name)
    finally:
        account.pool.shut_down()
    return sorted(found.values(), key=lambda finding: list(Impact).index(finding.impact))


def _of_every_account(streams: Sequence[AmocrmStream]) -> dict[str, None]:
    resources = [one for stream in streams if isinstance(stream, IncrementalStream) for one in stream.resources]
    dictionaries = (one.list_path for one in streams if isinstance(one, FullRefreshStream) and one.in_every_account)
    return dict.fromkeys((*(one.path for one in resources if not one.optional), EVENTS.path, *dictionaries))


def _needs(account: Account, stream: AmocrmStream, with_events: Set[str]) -> Needs:
    """`with_events`: the paths of the lists for which a sync asks the events what happened to the rows."""
    if stream.scope and account.not_granted(stream.scope):
        return Needs()
    made_of, completed_by = [*stream.paths()], [*stream.completing_paths]
    if isinstance(stream, IncrementalStream) and stream.kinds is None and with_events & {*made_of}:
        completed_by.append(EVENTS.path)
    columns = [stream.lookup.resource.path] if stream.lookup else []
    return Needs(made_of, stream.vital_paths, completed_by, columns)


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


def _suffered(
    account: Account, stream: AmocrmStream, needs: Needs, refusals: Refusals
) -> Iterator[tuple[Impact, AmocrmError, str]]:
    """Yields how the stream lacks rows, and by the refusal of which list; of none if the token lacks the scope."""
    if stream.scope and (lacking := account.not_granted(stream.scope)):
        yield Impact.CLOSED, lacking, ""
        return
    own = refusals(needs.made_of)
    off = {path: error for path, error in own.items() if account.lacks(error)}
    all_refused = bool(own) and own.keys() == set(needs.made_of)
    if all_refused and off.keys() == own.keys():
        yield from ((Impact.EMPTY, error, path) for path, error in off.items())
        return
    vital, columns = refusals(needs.vital), refusals(needs.columns)
    refused = {
        **{path: error for path, error in own.items() if path not in off},
        **vital,
        **refusals(needs.completed_by),
        **{path: error for path, error in columns.items() if not isinstance(error, Forbidden)},
    }
    impact = Impact.CLOSED if vital or all_refused else Impact.PARTLY
    yield from ((impact, error, path) for path, error in refused.items())
