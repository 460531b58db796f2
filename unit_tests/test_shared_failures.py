"""One failure that concerns several streams: what one of them does with it touches none of the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import pytest

from source_amocrm.account.account import Memoized
from source_amocrm.errors import Forbidden, error_copy
from source_amocrm.walk.listing import NoList
from source_amocrm.walk.progress_rule import Endless


def refused() -> NoReturn:
    raise Forbidden("You may not see the list.", status=403, path="/api/v4/leads")


def test_a_stream_that_drops_its_copy_of_a_failure_ends_no_other() -> None:
    """A stream that ends without telling its failure counts as read whole."""
    known: Memoized[str] = Memoized(refused)

    def rows() -> Iterator[str]:
        yield "a row"
        yield known()

    one, other = rows(), rows()
    assert [next(one), next(other)] == ["a row", "a row"]
    with pytest.raises(Forbidden) as told:
        next(one)
    told.value.with_traceback(None)
    with pytest.raises(Forbidden, match="You may not see the list") as told:
        next(other)
    assert (told.value.status, told.value.path) == (403, "/api/v4/leads")


@pytest.mark.parametrize("error", [Endless("/api/v4/leads"), NoList("/api/v4/leads"), KeyError("unforeseen")])
def test_a_copy_of_an_error_says_the_same(error: Exception) -> None:
    again = error_copy(error)
    assert again is not error
    assert (type(again), str(again)) == (type(error), str(error))
    assert vars(again) == vars(error)
