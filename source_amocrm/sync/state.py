"""The progress of a stream as Airbyte keeps it between syncs.

    {"updated_at": "2026-11-24T10:00:00Z",
     "pending": {"leads": {"spans": [["2020-01-01T00:00:00Z", "2021-06-01T12:30:00Z"]],
                           "deletions_since": "1970-01-01T00:00:00Z",
                           "changes_since": "2026-11-24T10:00:00Z"}},
     "newest": {"leads": "2026-11-24T09:58:12Z"},
     "ahead": {"leads/1234": {"at": "2031-01-01T00:00:01Z", "own": "2026-11-24T09:57:03Z"}},
     "saved": {"stream": "deals", "version": 2, "digest": "0f3a…"}}

`saved` tells whose state it is; its digest, that it is whole: a state that has lost a part would else be one of a
stream that needs less. The plain form `{"updated_at": …}` is
complete. Forms without `saved` are those of before; `state_forms` reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from source_amocrm.dates import iso
from source_amocrm.errors import ConfigError
from source_amocrm.sync.progress import Pending, Progress
from source_amocrm.sync.state_forms import NOTHING, read

VERSION = 2
SAVED = "saved"


def dump(progress: Progress) -> dict[str, Any]:
    """The state after what has been delivered so far."""
    assert progress.watermark is not None
    state: dict[str, Any] = {progress.cursor: iso(progress.watermark)}
    if progress.pending:
        state["pending"] = {name: _dump_pending(pending) for name, pending in progress.pending.items()}
    if progress.newest:
        state["newest"] = {name: iso(second) for name, second in progress.newest.items()}
    if progress.ahead:
        state["ahead"] = {
            row_key: {"at": iso(at), "own": iso(second)} for row_key, (at, second) in progress.ahead.items()
        }
    return {**state, SAVED: _saved(progress.stream, state)}


def load(
    stream: str,
    cursor: str,
    lists: Collection[str],
    state: Mapping[str, Any] | None,
    start: int | None,
    lookback: int,
) -> Progress:
    """The progress that a state tells of a stream that is made of these lists.

    Raises ConfigError when it is not one of this stream, whole, and of a form that is known.
    """
    progress = Progress(stream, cursor, start, lookback)
    if not state or set(state) <= NOTHING:
        return progress
    try:
        told = dict(state)
        saved = told.pop(SAVED, None)
        if SAVED in state and saved != _saved(stream, told):
            raise ValueError
        read(progress, lists, told, whole=SAVED in state)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise ConfigError(
            f"The saved state of the stream {stream} cannot be read: it is not as this connector has saved it for this "
            "stream, so it is not known what was delivered before. Clear the stream's state (in Airbyte: the "
            "connection's Settings, “Clear data”, or a refresh of the stream) and sync again. To read from a day on, "
            f'give the plain form: {{"{cursor}": "2026-01-31T00:00:00Z"}}.'
        ) from None
    return progress


def _saved(stream: str, state: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps([stream, VERSION, state], sort_keys=True, separators=(",", ":"))
    return {"stream": stream, "version": VERSION, "digest": hashlib.sha256(text.encode()).hexdigest()[:32]}


def _dump_pending(pending: Pending) -> dict[str, Any]:
    dumped: dict[str, Any] = {
        "spans": [[iso(start), iso(end)] for start, end in pending.seconds.intervals],
        "deletions_since": iso(pending.deletions_since),
        "changes_since": iso(pending.changes_since),
    }
    for name, walk in (("walk", pending.walk), ("within", pending.within)):
        if walk:
            dumped[name] = {
                "since": iso(walk.since),
                "place": walk.checkpoint.position,
                "after": walk.checkpoint.after_id,
            }
    return dumped
