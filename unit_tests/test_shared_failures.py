"""One failure that concerns several streams: what one of them does with it touches none of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

import pytest

from source_amocrm.account.once import Once
from source_amocrm.errors import AmocrmError, Forbidden, anew
from source_amocrm.walk.broadcast import Broadcast
from source_amocrm.walk.listing import Endless, NoList


def refused() -> NoReturn:
    raise Forbidden("You may not see the list.", status=403, path="/api/v4/leads")


def items() -> Iterator[str]:
    yield "a row"
    refused()


def read(subscription: Iterable[str]) -> Iterator[str]:
    """As streams are delivered: a state comes before the failure is told."""
    failure = None
    try:
        yield from subscription
    except AmocrmError as error:
        failure = error
    yield "a state"
    if failure:
        raise failure


def of_a_feed() -> list[Iterator[str]]:
    broadcast = Broadcast("leads", items)
    return [read(subscription) for subscription in [broadcast.subscribe(), broadcast.subscribe()]]


def of_what_is_asked_for_once() -> list[Iterator[str]]:
    known: Once[str] = Once(refused)

    def rows() -> Iterator[str]:
        yield "a row"
        yield known()

    return [read(rows()), read(rows())]


@pytest.mark.parametrize("make", [of_a_feed, of_what_is_asked_for_once])
def test_who_is_done_with_it_ends_no_other(make: Callable[[], list[Iterator[str]]]) -> None:
    """A stream that ends without telling its failure counts as read whole."""
    one, other = make()
    assert [next(one), next(other), next(one), next(other)] == ["a row", "a row", "a state", "a state"]
    with pytest.raises(Forbidden) as told:
        next(one)
    told.value.__traceback__ = None
    with pytest.raises(Forbidden, match="You may not see the list") as told:
        next(other)
    assert (told.value.status, told.value.path) == (403, "/api/v4/leads")


@pytest.mark.parametrize("error", [Endless("/api/v4/leads"), NoList("/api/v4/leads"), KeyError("unforeseen")])
def test_each_says_the_same(error: Exception) -> None:
    again = anew(error)
    assert again is not error
    assert (type(again), str(again)) == (type(error), str(error))
    assert vars(again) == vars(error)
