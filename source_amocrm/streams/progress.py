"""What of a stream has been delivered: the state that a sync leaves behind and the next one starts from.

    {"updated_at": "2026-11-24T10:00:00Z",
     "pending": {"leads": {"spans": [["2020-01-01T00:00:00Z", "2021-06-01T12:30:00Z"]]}},
     "deletions_since": {"leads": "1970-01-01T00:00:00Z"},
     "newest": {"leads": "2026-11-24T09:58:12Z"},
     "ahead": {"1234": "2031-01-01T00:00:00Z"}}

Everything up to the cursor's value (the server's time when the sync started) has been delivered, except for what is
pending, list by list, and for the deletions since a time, while they have not been looked at yet. `newest` is the
newest row of a list; `ahead` holds rows that were dated in the future, so that no later version of them looks older.
A state of the plain form `{"updated_at": …}` is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pendulum
from airbyte_cdk.models import FailureType

from source_amocrm.errors import AmocrmError
from source_amocrm.walk.listing import Page, PageMark, Row, key, seconds
from source_amocrm.walk.spans import FOREVER, Spans

BEGINNING = 0


@dataclass(frozen=True, slots=True)
class Numbered:
    """A walk by page number that is not finished: its lower bound in seconds, and how far it came."""

    since: int
    mark: PageMark | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """What one list must be asked for: the seconds, and where a walk by page number goes on."""

    spans: Spans
    resume: Numbered | None = None
    deletions_since: int = BEGINNING
    """From which second on the account's deletions have not been delivered."""
    changes_since: int | None = None
    """From which second on a row may have changed unseen; None while nothing was delivered before."""
    anchor: int | None = None
    """The newest row known, if it is older than all that is needed: asked from there, no answer can be empty."""

    @property
    def since(self) -> int:
        """The first second needed; BEGINNING when everything is."""
        return self.spans.parts[0][0]


@dataclass
class Progress:
    """The progress of one stream. `started` is set once the server's time is known."""

    stream: str
    cursor: str
    start: int | None
    lookback: int
    done: int | None = None
    pending: dict[str, Spans | Numbered] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    ahead: dict[str, int] = field(default_factory=dict)
    started: int = 0
    needed: dict[str, Spans] = field(default_factory=dict)

    def need(self, name: str) -> Need:
        """What the list `name` must be asked for in this sync."""
        start = self.start or BEGINNING
        if self.done is None:
            return Need(Spans(((start, FOREVER),)), deletions_since=start)
        since = max(self.done - self.lookback, start)
        deletions_since = min(since, self.unseen.get(name, since))
        left = self.pending.get(name, Spans())
        if isinstance(left, Numbered):
            spans, resume = Spans(((min(left.since, since), FOREVER),)), left
        else:
            spans, resume = left | Spans(((since, FOREVER),)), None
        newest = self.newest.get(name)
        anchor = newest if newest is not None and newest < spans.parts[0][0] else None
        return Need(spans, resume, deletions_since, since, anchor)

    def begin(self, names: Iterable[str], started: int) -> None:
        """Everything that the lists need becomes pending, up to the server's time `started`."""
        needs = {name: self.need(name) for name in names}
        self.needed = {name: need.spans for name, need in needs.items()}
        self.started = self.done = started
        for name, need in needs.items():
            self.pending[name] = need.resume or need.spans - (started + 1, FOREVER)
            self.unseen[name] = need.deletions_since

    def cover(self, name: str, page: Page) -> None:
        """The rows of `page` have been delivered."""
        left = self.pending.get(name, Spans())
        if page.mark:
            since = left.since if isinstance(left, Numbered) else left.parts[0][0] if left else BEGINNING
            self.pending[name] = Numbered(since, page.mark)
        elif page.span:
            whole = Spans(((left.since, self.started),)) if isinstance(left, Numbered) else left
            self.pending[name] = whole - page.span

    def finish(self, name: str) -> None:
        """The list has been read whole."""
        self.pending.pop(name, None)
        self.unseen.pop(name, None)

    def meet(self, name: str, second: int | None) -> None:
        """A row of the list `name` with this second has been delivered."""
        if second is not None and self.newest.get(name, BEGINNING) < second <= self.started:
            self.newest[name] = second

    def never_older(self, row: Row, cursor: str, now: int) -> Row:
        """The row, dated no earlier than a version of it that was delivered with a date in the future."""
        second = seconds(row.get(cursor))
        if second is not None and second > now:
            self.ahead[str(key(row))] = max(second, self.ahead.get(str(key(row)), 0))
        elif self.ahead and second is not None and second < (before := self.ahead.get(str(key(row)), 0)):
            return {**row, cursor: before}
        return row

    def state(self) -> dict[str, Any]:
        assert self.done is not None
        state: dict[str, Any] = {self.cursor: _text(self.done)}
        pending = {name: _dump(left) for name, left in self.pending.items() if left}
        if pending:
            state["pending"] = pending
        if self.unseen:
            state["deletions_since"] = {name: _text(second) for name, second in self.unseen.items()}
        if self.newest:
            state["newest"] = {name: _text(second) for name, second in self.newest.items()}
        kept = {name: _text(second) for name, second in self.ahead.items() if second >= self.done}
        if kept:
            state["ahead"] = kept
        return state

    @staticmethod
    def load(stream: str, cursor: str, state: Mapping[str, Any] | None, start: int | None, lookback: int) -> Progress:
        """Raises AmocrmError (config_error) when the state cannot be read."""
        progress = Progress(stream, cursor, start, lookback)
        if not state or cursor not in state:
            if state and not set(state) <= {
                "__ab_no_cursor_state_message",
                "__ab_full_refresh_sync_complete",
            }:
                raise _broken(stream)
            return progress
        try:
            progress.done = _second(state[cursor])
            progress.pending = {name: _load(left) for name, left in (state.get("pending") or {}).items()}
            progress.unseen = {name: _second(text) for name, text in (state.get("deletions_since") or {}).items()}
            progress.ahead = {name: _second(text) for name, text in (state.get("ahead") or {}).items()}
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise _broken(stream) from error
        return progress


def _broken(stream: str) -> AmocrmError:
    return AmocrmError(
        f"The saved state of the stream {stream} cannot be read, so it is not known what was delivered before. "
        "Clear the stream's state (in Airbyte: the connection's Settings, Clear data, or a refresh) and sync again.",
        failure_type=FailureType.config_error,
    )


def _text(second: int) -> str:
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _second(text: Any) -> int:
    if isinstance(text, bool):
        raise ValueError
    if isinstance(text, (int, float)):
        return int(text)
    parsed = pendulum.parse(text)
    if not isinstance(parsed, pendulum.DateTime):
        raise ValueError
    return int(parsed.timestamp())


def _seconds(texts: Mapping[str, Any] | None) -> dict[str, int]:
    return {name: _second(text) for name, text in (texts or {}).items()}


def _dump(left: Spans | Numbered) -> dict[str, Any]:
    if isinstance(left, Spans):
        return {"spans": [[_text(start), _text(end)] for start, end in left.parts]}
    dumped: dict[str, Any] = {"since": _text(left.since)}
    if left.mark:
        dumped |= {
            "page": left.mark.page,
            "after": left.mark.after,
            "safe_page": left.mark.safe_page,
            "safe_after": left.mark.safe_after,
            "checked": _text(left.mark.checked),
        }
    return dumped


def _load(left: Mapping[str, Any]) -> Spans | Numbered:
    if "spans" in left:
        spans = Spans.of((_second(start), _second(end)) for start, end in left["spans"])
        if not spans:
            raise ValueError
        return spans
    mark = None
    if "page" in left:
        mark = PageMark(
            int(left["page"]),
            int(left["after"]),
            int(left["safe_page"]),
            int(left["safe_after"]),
            _second(left["checked"]),
        )
    return Numbered(_second(left["since"]), mark)
