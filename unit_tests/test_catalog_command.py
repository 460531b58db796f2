"""Which streams are read."""

from __future__ import annotations

import re

import pytest

from source_amocrm.catalog_command import chosen

KNOWN = ["deals", "users", "calls", "messages"]


@pytest.mark.parametrize(
    ("streams", "without", "names"),
    [
        (None, [], KNOWN),
        ([], ["calls", "messages"], ["deals", "users"]),
        (["users", "deals", "users"], [], ["users", "deals"]),
        (["users", "calls"], ["calls", "messages"], ["users"]),
    ],
)
def test_those_that_are_named_without_those_that_are_left_out(
    streams: list[str] | None, without: list[str], names: list[str]
) -> None:
    assert chosen(streams, without, KNOWN) == names


@pytest.mark.parametrize(
    ("streams", "without", "sentence"),
    [
        (["dels"], [], "There is no stream “dels”: the nearest name is “deals”."),
        (None, ["call"], "There is no stream “call”: the nearest name is “calls”."),
        (["calls"], ["calls"], "All chosen streams are left out (--without), so there is nothing to read."),
    ],
)
def test_what_is_refused(streams: list[str] | None, without: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        chosen(streams, without, KNOWN)
