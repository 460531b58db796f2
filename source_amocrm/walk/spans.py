"""Sets of whole seconds as sorted, disjoint, inclusive spans: what is read and what is still to be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FOREVER = 2**62
"""The end of a span that has none."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Spans:
    """Immutable; `parts` are sorted, do not overlap and do not touch."""

    parts: tuple[Span, ...] = ()

    @staticmethod
    def of(spans: Iterable[Span]) -> Spans:
        merged: list[Span] = []
        for start, end in sorted(span for span in spans if span[0] <= span[1]):
            if merged and start <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        return Spans(tuple(merged))

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __or__(self, other: Spans) -> Spans:
        return Spans.of((*self.parts, *other.parts))

    def __sub__(self, span: Span) -> Spans:
        start, end = span
        left = [(a, min(b, start - 1)) for a, b in self.parts]
        right = [(max(a, end + 1), b) for a, b in self.parts]
        return Spans.of((*left, *right))

    def __contains__(self, second: int) -> bool:
        return any(start <= second <= end for start, end in self.parts)
