"""The progress of a stream as Airbyte keeps it between syncs.

    {"updated_at": "2026-11-24T10:00:00Z",
     "pending": {"leads": {"spans": [["2020-01-01T00:00:00Z", "2021-06-01T12:30:00Z"]],
                           "deletions_since": "1970-01-01T00:00:00Z",
                           "changes_since": "2026-11-24T10:00:00Z"}},
     "newest": {"leads": "2026-11-24T09:58:12Z"},
     "ahead": {"leads/1234": {"at": "2031-01-01T00:00:01Z", "own": "2026-11-24T09:57:03Z"}}}

The names are those of `Progress`, `Left` and `Version`. The plain form `{"updated_at": …}` is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from source_amocrm.errors import ConfigError
from source_amocrm.sync.progress import Left, Numbered, Progress, Version
from source_amocrm.walk.listing import LAST_SECOND, PageMark
from source_amocrm.walk.spans import Spans

SENTINELS = {"__ab_no_cursor_state_message", "__ab_full_refresh_sync_complete"}


def dump(progress: Progress) -> dict[str, Any]:
    """The state after what has been delivered so far."""
    assert progress.done is not None
    state: dict[str, Any] = {progress.cursor: _text(progress.done)}
    if progress.left:
        state["pending"] = {name: _dump_left(left) for name, left in progress.left.items()}
    if progress.newest:
        state["newest"] = {name: _text(second) for name, second in progress.newest.items()}
    if progress.ahead:
        state["ahead"] = {own: {"at": _text(at), "own": _text(second)} for own, (at, second) in progress.ahead.items()}
    return state


def load(stream: str, cursor: str, state: Mapping[str, Any] | None, start: int | None, lookback: int) -> Progress:
    """The progress that a state tells. Raises ConfigError when it cannot be read."""
    progress = Progress(stream, cursor, start, lookback)
    if not state or set(state) <= SENTINELS:
        return progress
    try:
        progress.done = _second(state[cursor])
        progress.left = {name: _load_left(left) for name, left in (state.get("pending") or {}).items()}
        progress.newest = {name: _second(text) for name, text in (state.get("newest") or {}).items()}
        progress.ahead = {
            own: Version(_second(told["at"]), _second(told["own"])) for own, told in (state.get("ahead") or {}).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise ConfigError(
            f"The saved state of the stream {stream} cannot be read, so it is not known what was delivered before. "
            "Clear the stream's state (in Airbyte: the connection's Settings, “Clear data”, or a refresh of the "
            "stream) and sync again."
        ) from None
    return progress


def _dump_left(left: Left) -> dict[str, Any]:
    dumped: dict[str, Any] = {
        "spans": [[_text(start), _text(end)] for start, end in left.spans.parts],
        "deletions_since": _text(left.deletions_since),
        "changes_since": _text(left.changes_since),
    }
    for name, walk in (("walk", left.walk), ("within", left.within)):
        if walk:
            dumped[name] = {"since": _text(walk.since), "place": walk.mark.place, "after": walk.mark.after}
    return dumped


def _load_left(left: Mapping[str, Any]) -> Left:
    return Left(
        Spans.of((_second(start), _second(end)) for start, end in left["spans"]),
        _load_walk(left.get("walk")),
        _second(left["deletions_since"]),
        _second(left["changes_since"]),
        _load_walk(left.get("within")),
    )


def _load_walk(told: Mapping[str, Any] | None) -> Numbered | None:
    if not told:
        return None
    return Numbered(_second(told["since"]), PageMark(int(told["place"]), int(told["after"])))


def _text(second: int) -> str:
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _second(text: Any) -> int:
    """Unix seconds of a date-time; of a date or a number too, for states that other tools wrote."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        if text > LAST_SECOND:
            raise ValueError
        return int(text)
    import pendulum  # it takes a while, and a first sync has no state

    parsed = pendulum.parse(text, exact=True)
    if isinstance(parsed, pendulum.DateTime):
        return int(parsed.timestamp())
    if isinstance(parsed, pendulum.Date):
        return int(pendulum.datetime(parsed.year, parsed.month, parsed.day).timestamp())
    raise ValueError
