"""Checks an account: requests the account, and one row of each list that a table is made of.

The tables declare their lists, so a check foresees what `read` will leave incomplete or empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import chain
from typing import NamedTuple

from source_amocrm.account import Account
from source_amocrm.account.resources import EVENTS
from source_amocrm.auth.claims import check_account
from source_amocrm.errors import REFUSALS, AmocrmError, BadRequest, Forbidden, combined_error, shared_cause
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import AmocrmStream, FullRefreshStream, IncrementalStream

EXTRAS = ("drive_url",)  # the `with` parameters of `/account` that a check needs
POLICY = RetryPolicy(cold_attempts=3)  # a person waits for a check, and the address may be wrong
WITHOUT_EVENTS = {
    True: " This user may not read events, so deleted rows cannot be marked: the rows are read, and each sync ends "
    'with an error. The other remedy is the option deleted_rows: with "ignore" it ends well.',
    False: " This user may not read events, so links and tags that change without their card are read with its next "
    "change.",
}
"""The consequence of closed events, by whether deleted rows are to be marked."""


class Impact(Enum):
    """How a table will lack rows, as messages word it."""

    CLOSED = "Not available"
    PARTLY = "Not complete"
    EMPTY = "Empty"


@dataclass
class Finding:
    """Streams that will lack rows in the same way for the same reason. `errors`: the refusals of their lists."""

    impact: Impact
    mark_deleted: bool = True
    errors: list[AmocrmError] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        by_events = self.impact is Impact.PARTLY and any(error.path == EVENTS.path for error in self.errors)
        reason = f"{combined_error(self.errors)}{WITHOUT_EVENTS[self.mark_deleted] if by_events else ''}"
        return f"{self.impact.value}: {', '.join(self.streams)}. {reason}"


class Needs(NamedTuple):
    """The paths of the lists that a table needs.

    `made_of`: they hold its records. `vital`: without them no row can be made. `completed_by`: without them some rows
    are missing. `columns`: a column is taken from them, and stays empty if the token's user may not see them.
    """

    made_of: Sequence[str] = ()
    vital: Sequence[str] = ()
    completed_by: Sequence[str] = ()
    columns: Sequence[str] = ()


def findings(account: Account) -> list[Finding]:
    """Lists the streams that will be incomplete or empty, and why. Requests at most one page of each list.

    Raises AmocrmError if the account cannot be read at all: a wrong address, an invalid token, or every list refused.
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
    refusals: dict[str, Future[AmocrmError | None]] = {}
    found: dict[tuple[Impact, str], Finding] = {}
    try:
        for stream in streams:
            needs[stream] = _needs(account, stream, with_events)
            for path in chain(*needs[stream]):
                if path not in refusals:
                    refusals[path] = account.pool.submit(partial(_refusal, account, stream, path))
        everywhere = _of_every_account(streams)
        closed = [error for path in everywhere if (error := refusals[path].result())]
        if len(closed) == len(everywhere):
            raise closed[0]
        refused = {path: error for path, refusal in refusals.items() if (error := refusal.result())}
        for stream, need in needs.items():
            impact, errors = _impact(account, stream, need, refused)
            for error in errors:
                finding = found.setdefault((impact, shared_cause(error)), Finding(impact, account.config.mark_deleted))
                finding.errors.append(error)
                if stream.name not in finding.streams:
                    finding.streams.append(stream.name)
    finally:
        account.pool.shut_down()
    return sorted(found.values(), key=lambda finding: list(Impact).index(finding.impact))


def _of_every_account(streams: Sequence[AmocrmStream]) -> Set[str]:
    resources = [one for stream in streams if isinstance(stream, IncrementalStream) for one in stream.resources]
    dictionaries = (one.list_path for one in streams if isinstance(one, FullRefreshStream) and one.in_every_account)
    return dict.fromkeys((*(one.path for one in resources if not one.optional), EVENTS.path, *dictionaries)).keys()


def _needs(account: Account, stream: AmocrmStream, with_events: Set[str]) -> Needs:
    """Returns the lists that a stream needs. `with_events`: paths of lists about which events tell more."""
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
        return error  # another host's failure does not concern the other lists
    return None


def _impact(
    account: Account, stream: AmocrmStream, needs: Needs, refused: Mapping[str, AmocrmError]
) -> tuple[Impact, list[AmocrmError]]:
    """Returns how the stream will lack rows, and the refusals that cause it; without refusals it lacks none."""
    if stream.scope and (lacking := account.not_granted(stream.scope)):
        return Impact.CLOSED, [lacking]
    made_of, vital, completed_by, columns = ([refused[path] for path in paths if path in refused] for paths in needs)
    off = [error for error in made_of if account.lacks(error)]
    all_refused = bool(made_of) and len(made_of) == len(needs.made_of)
    if all_refused and len(off) == len(made_of):
        return Impact.EMPTY, off
    failed = [error for error in made_of if error not in off]
    unread = [error for error in columns if not isinstance(error, Forbidden)]
    return Impact.CLOSED if vital or all_refused else Impact.PARTLY, [*failed, *vital, *completed_by, *unread]
