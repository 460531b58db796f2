"""A page that was too large leaves nothing in memory."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from source_amocrm.errors import PageTooLarge
from source_amocrm.http.answer import Answer
from source_amocrm.walk.listing import Listing


class Page(list[Any]):
    """A list that can be watched."""


def test_what_a_refused_page_was_made_of_goes_at_once() -> None:
    watched: list[weakref.ref[Page]] = []

    def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:  # noqa: ARG001
        page = Page()
        watched.append(weakref.ref(page))
        error = PageTooLarge("Too large.")
        raise error  # whose traceback holds this frame, which holds it

    gc.disable()
    try:
        with pytest.raises(PageTooLarge, match="Too large"):
            Listing(fetch, "/api/v4/leads", "leads").ask({})
        assert watched[0]() is None
    finally:
        gc.enable()
