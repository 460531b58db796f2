"""What a state says, in the form of today or in one of before.

    pending   {"leads": {"spans": […], "deletions_since": …, "changes_since": …, "walk": {"since", "place", "after"},
              "within": the same}}
              before: "walk": {"since", "page", "after", "safe_page", "safe_after", "checked"}
              at first: {"leads": {"spans": […]}} or {"leads": {"since", "page", …}}, and beside it
                        "deletions_since": {"leads": …}
    ahead     {"leads/1234": {"at": …, "own": …}}; before: {"1234": {"at": …, "own": …}}; at first: {"1234": "2031-…"}

A walk that counted pages is asked for by its seconds. Everything else is no state: it raises ValueError, TypeError,
KeyError or AttributeError.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

from source_amocrm.dates import LAST_SECOND
from source_amocrm.sync.progress import BEGINNING, Pending, Progress, ResumePoint, Version
from source_amocrm.walk.interval_set import FOREVER, IntervalSet
from source_amocrm.walk.listing import PageCheckpoint

NOTHING = frozenset({"__ab_no_cursor_state_message", "__ab_full_refresh_sync_complete"})
"""With which the CDK says that there is no state."""
FORMAT = "%Y-%m-%dT%H:%M:%SZ"
SPANS = {"spans", "deletions_since", "changes_since"}
WALK = {"since", "place", "after"}
PAGES = {"since", "page", "after", "safe_page", "safe_after", "checked"}


def read(progress: Progress, lists: Collection[str], state: Mapping[str, Any], whole: bool) -> None:
    """Sets what the state says in `progress`, that of a stream which is made of these `lists`.

    `whole`: it is known that it is as it was saved. Else nothing in it may lie behind what is done, and a list that is
    pending with nothing to read is read again.
    """
    _only(state, {progress.cursor}, {"pending", "newest", "ahead", "deletions_since"})
    watermark = progress.watermark = _cursor(state[progress.cursor], plain=len(state) == 1)
    limit = FOREVER if whole else watermark  # a clock that was put back leaves some of it behind what is done
    events = {name: _until(limit, text) for name, text in _by_list(state, "deletions_since", lists).items()}
    progress.pending = {name: Pending(IntervalSet(), None, second, watermark) for name, second in events.items()}
    for name, told in _by_list(state, "pending", lists).items():
        pending = (
            _pending_at_first(told, watermark, events[name]) if name in events else _pending(told, watermark, limit)
        )
        if not (whole or pending.seconds or pending.walk):
            pending = replace(pending, seconds=IntervalSet.of([(progress.start or BEGINNING, watermark)]))
        progress.pending[name] = pending
    progress.newest = {name: _until(limit, text) for name, text in _by_list(state, "newest", lists).items()}
    for key, told in _part(state, "ahead").items():
        name, slash, row_id = key.rpartition("/")
        if not row_id or (slash and name not in lists):
            raise ValueError
        progress.ahead |= dict.fromkeys([key] if slash else [f"{name}/{row_id}" for name in lists], _version(told))


def _pending(told: Mapping[str, Any], watermark: int, limit: int) -> Pending:
    _only(told, SPANS, {"walk", "within"})
    intervals, walk, within = _spans(told["spans"], limit), None, None
    if "walk" in told:
        where = told["walk"]
        since = _until(limit, where["since"])
        if where.keys() == PAGES:
            intervals |= IntervalSet.of([(since, watermark)])
        else:
            walk = _resume_point(where, since)
    if "within" in told:
        within = _resume_point(told["within"], _until(limit, told["within"]["since"]))
    return Pending(
        intervals, walk, _until(limit, told["deletions_since"]), _until(limit, told["changes_since"]), within
    )


def _resume_point(where: Mapping[str, Any], since: int) -> ResumePoint:
    _only(where, WALK)
    return ResumePoint(since, PageCheckpoint(_number(where["place"]), _number(where["after"])))


def _pending_at_first(told: Mapping[str, Any], watermark: int, deletions_since: int) -> Pending:
    if "spans" in told:
        _only(told, {"spans"})
        return Pending(_spans(told["spans"], watermark), None, deletions_since, watermark)
    _only(told, {"since"}, PAGES)
    return Pending(IntervalSet.of([(_before(watermark, told["since"]), watermark)]), None, deletions_since, watermark)


def _spans(told: Any, limit: int) -> IntervalSet:
    if not isinstance(told, list):
        raise TypeError
    edges = [_before(limit, text) for start, end in told for text in (start, end)]
    if any(one > other for one, other in pairwise(edges)):
        raise ValueError
    return IntervalSet.of(zip(edges[::2], edges[1::2], strict=True))


def _version(told: Any) -> Version:
    if isinstance(told, str):
        return Version(_second(told), _second(told))
    _only(told, {"at", "own"})
    version = Version(_second(told["at"]), _second(told["own"]))
    if version.at < version.dated:
        raise ValueError
    return version


def _part(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What is never saved without something in it."""
    part = state.get(name, ())
    if name in state and not (isinstance(part, Mapping) and part):
        raise ValueError
    return dict(part)


def _by_list(state: Mapping[str, Any], name: str, lists: Collection[str]) -> Mapping[str, Any]:
    part = _part(state, name)
    if not part.keys() <= set(lists):
        raise ValueError
    return part


def _only(told: Mapping[str, Any], all_of: set[str], maybe: Collection[str] = ()) -> None:
    if not all_of <= told.keys() <= all_of | set(maybe):
        raise ValueError


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _second(text: Any) -> int:
    """Unix seconds of a time as we write it."""
    second = int(datetime.strptime(text, FORMAT).replace(tzinfo=timezone.utc).timestamp())
    if second < BEGINNING:
        raise ValueError
    return second


def _before(limit: int, text: Any) -> int:
    second = _second(text)
    if second > limit:
        raise ValueError
    return second


def _until(limit: int, text: Any) -> int:
    return min(_second(text), limit)


def _cursor(value: Any, plain: bool) -> int:
    """A date or a number too in a plain state, which other tools may have written."""
    if not plain:
        return _second(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not BEGINNING <= value <= LAST_SECOND:
            raise ValueError
        return int(value)
    import pendulum  # it takes a while, and a first sync has no state

    parsed = pendulum.parse(value, exact=True)
    if isinstance(parsed, pendulum.DateTime):
        second = parsed.timestamp()
    elif isinstance(parsed, pendulum.Date):
        second = pendulum.datetime(parsed.year, parsed.month, parsed.day).timestamp()
    else:
        raise TypeError
    if second < BEGINNING:
        raise ValueError
    return int(second)
