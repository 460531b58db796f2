"""The state of a stream: its `Progress` as Airbyte keeps it between syncs, by the names of the fields (docs/state.md).

The key of the watermark is the stream's cursor field. `saved` names the stream and proves that the state is complete:
without it a state that lost a part would be a valid state of a stream that needs less. Only the plain form
`{"updated_at": "2026-01-31T00:00:00Z"}`, which people write by hand, has no `saved`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from source_amocrm.dates import iso
from source_amocrm.engine.read_plan import BEGINNING, Progress, ReadPlan, ResumePoint, Version
from source_amocrm.errors import ConfigError
from source_amocrm.walk import PageCheckpoint
from source_amocrm.walk.intervals import IntervalSet

VERSION = 5  # A state of another version is refused: to start again would forget the dates that are `postdated`
SAVED = "saved"
PENDING = frozenset({"seconds", "resume", "partial_second", "deletions_since", "changes_since", "read_again"})
NO_STATE = frozenset({"__ab_no_cursor_state_message", "__ab_full_refresh_sync_complete"})
"""The keys by which the CDK says that a stream has no state."""
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def dump(progress: Progress) -> dict[str, Any]:
    assert progress.watermark is not None
    parts = {
        progress.cursor: iso(progress.watermark),
        "begun": None if progress.begun is None else iso(progress.begun),
        "pending": {name: _dump_pending(pending) for name, pending in progress.pending.items()},
        "newest": {name: iso(second) for name, second in progress.newest.items()},
        "postdated": {key: {"at": iso(one.at), "dated": iso(one.dated)} for key, one in progress.postdated.items()},
    }
    state = {name: part for name, part in parts.items() if part}
    return {**state, SAVED: _signature(progress.stream, state)}


def load(
    stream: str, cursor: str, lists: Collection[str], state: Mapping[str, Any] | None, start: int | None, lookback: int
) -> Progress:
    """Returns the progress of a stream that is made of these lists.

    Raises ConfigError for a state that is not the stream's own, not complete, or of an unknown form.
    """
    progress = Progress(stream, cursor, start, lookback)
    if not state or set(state) <= NO_STATE:
        return progress
    parts = {name: part for name, part in state.items() if name != SAVED}
    try:
        _require(state[SAVED] == _signature(stream, parts) if SAVED in state else parts.keys() == {cursor})
        _load(progress, lists, parts)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise ConfigError(
            f"The saved state of the stream {stream} cannot be read: it is not as this connector has saved it for this "
            "stream, so it is not known what was delivered before. Clear the stream's state (in Airbyte: the "
            "connection's Settings, “Clear data”, or a refresh of the stream) and sync again. To read from a day on, "
            f'give the plain form: {{"{cursor}": "2026-01-31T00:00:00Z"}}.'
        ) from None
    return progress


def _signature(stream: str, state: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps([stream, VERSION, state], sort_keys=True, separators=(",", ":"))
    return {"stream": stream, "version": VERSION, "digest": hashlib.sha256(text.encode()).hexdigest()[:32]}


def _dump_pending(pending: ReadPlan) -> dict[str, Any]:
    return {
        "seconds": [[iso(start), iso(end)] for start, end in pending.seconds.intervals],
        "deletions_since": iso(pending.deletions_since),
        "changes_since": iso(pending.changes_since),
        **{
            name: {"since": iso(point.since), "checkpoint": asdict(point.checkpoint)}
            for name, point in (("resume", pending.resume), ("partial_second", pending.partial_second))
            if point
        },
        **({"read_again": sorted(pending.read_again)} if pending.read_again else {}),
    }


def _load(progress: Progress, lists: Collection[str], state: Mapping[str, Any]) -> None:
    """Fills the progress. A signed state has the shape that `dump` gave it, perhaps the `dump` of a newer version."""
    _require(state.keys() <= {progress.cursor, "begun", "pending", "newest", "postdated"})
    pending, newest, postdated = (state.get(part, {}) for part in ("pending", "newest", "postdated"))
    _require({*pending, *newest, *(row_key.partition("/")[0] for row_key in postdated)} <= {*lists})
    progress.watermark = _second(state[progress.cursor])
    progress.begun = _second(state["begun"]) if "begun" in state else None
    progress.pending = {name: _load_pending(plan) for name, plan in pending.items()}
    progress.newest = {name: _second(second) for name, second in newest.items()}
    progress.postdated = {key: Version(_second(one["at"]), _second(one["dated"])) for key, one in postdated.items()}


def _load_pending(pending: Mapping[str, Any]) -> ReadPlan:
    _require(pending.keys() <= PENDING)
    return ReadPlan(
        IntervalSet.of((_second(start), _second(end)) for start, end in pending["seconds"]),
        _load_point(pending.get("resume")),
        _second(pending["deletions_since"]),
        _second(pending["changes_since"]),
        partial_second=_load_point(pending.get("partial_second")),
        read_again=frozenset(map(int, pending.get("read_again", ()))),
    )


def _load_point(point: Mapping[str, Any] | None) -> ResumePoint | None:
    return None if point is None else ResumePoint(_second(point["since"]), PageCheckpoint(**point["checkpoint"]))


def _second(text: Any) -> int:
    second = int(datetime.strptime(text, TIME_FORMAT).replace(tzinfo=timezone.utc).timestamp())
    _require(second >= BEGINNING)
    return second


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError
