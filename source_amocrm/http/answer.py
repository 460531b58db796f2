"""What is asked for and what comes, as everyone above HTTP sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Params = Mapping[str, int | str | Sequence[int | str]]
"""A query by the names of its parameters; the name of a list ends with []."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is None where nothing was found (204).

    `server_time`: Unix seconds by the server's clock, or by ours when it does not tell; `sent_at`: a second of that
    clock not later than the moment which the answer shows; `drift`: by how many seconds our clock is ahead of that one,
    0 while the two agree; `tick`: the monotonic clock, in seconds, after the answer came; `size`: the bytes of memory
    that the body takes at the most.
    """

    body: dict[str, Any] | None
    server_time: int
    sent_at: int
    drift: int = 0
    tick: float = 0.0
    size: int = 0


class Fetch(Protocol):
    """A GET of a path, such as /api/v4/leads. With `shrinkable` it raises PageTooLarge where fewer rows may come."""

    def __call__(self, path: str, params: Params = ..., *, shrinkable: bool = ...) -> Answer: ...
