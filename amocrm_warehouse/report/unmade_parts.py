"""A part of a report that cannot be made is named in its place, and all other parts are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from amocrm_warehouse.report.report_words import Words

T = TypeVar("T")


def made(words: Words, title: str, make: Callable[[], T], instead: Callable[[str], T]) -> T:
    """Returns what `make` returns, or `instead` of the sentence that names the part and the cause of its failure.

    The sentence is kept in `words.not_made` for the command. Any exception is a failure: whatever one part may meet, a
    person who opens the report needs the others.
    """
    try:
        return make()
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        words.not_made.append(words("part.failed", part=title, reason=reason or type(error).__name__))
        return instead(words.not_made[-1])
