"""A set of millions of keys: what it holds, and what it takes."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.walk import listing
from source_amocrm.walk.listing import KeySet

MANY = 30_000
RECENT = 1_000
KEYS = st.lists(st.one_of(st.integers(-50, 50), st.integers(2**62, 2**66), st.text(max_size=2)))


@given(KEYS, KEYS, KEYS)
def test_it_is_a_set(first: list[Any], second: list[Any], others: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "RECENT_KEYS", 3)
        keys, more = KeySet(), KeySet()
        keys.add(first)
        more.add(others)
        assert keys.add(second) == (not set(second) <= set(first))
        keys.add(more)
        known = {*first, *second, *others}
        assert len(keys) == len(known)
        assert all(key in keys for key in known)
        assert not any(key in keys for key in (100, 2**67, "abc"))


@pytest.mark.parametrize(("kind", "most"), [(int, 8), (str, 16)])
def test_many_keys_take_few_bytes(kind: type, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "RECENT_KEYS", RECENT)
    tracemalloc.start()
    try:
        keys = KeySet()
        keys.add(kind(own * 7919 % 1_000_003) for own in range(MANY))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(keys) == MANY
    assert size <= most * MANY + 200 * RECENT
