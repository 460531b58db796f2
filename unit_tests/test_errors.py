"""Several failures of one stream, told as one."""

from __future__ import annotations

import pytest
from airbyte_cdk.models import FailureType

from source_amocrm.errors import Forbidden, Unavailable, Unpaid, combined_error, shared_cause, without_ids

CLOSED = Forbidden("Leads are closed.", failure_type=FailureType.config_error, status=403)
DOWN = Unavailable("amoCRM is down.", failure_type=FailureType.transient_error, status=502)


def test_one_failure_is_told_as_it_is() -> None:
    assert combined_error([CLOSED]) is CLOSED
    assert combined_error([CLOSED, Forbidden("Leads are closed.", failure_type=FailureType.config_error)]) is CLOSED


def test_of_several_each_is_told_and_one_that_passes_makes_it_worth_another_try() -> None:
    told = combined_error([CLOSED, DOWN, CLOSED])
    assert (str(told), told.status) == ("Leads are closed. amoCRM is down.", 403)
    assert told.failure_type is FailureType.transient_error
    both = combined_error([CLOSED, Forbidden("Notes are closed.", failure_type=FailureType.config_error)])
    assert (str(both), both.failure_type) == ("Leads are closed. Notes are closed.", FailureType.config_error)


def unpaid(path: str, request: str) -> Unpaid:
    return Unpaid(f"Nobody pays for {path}. [X-Request-Id {request}, trace_id {request}f]", status=402, path=path)


@pytest.mark.parametrize(
    ("said", "alike"),
    [
        ("Closed. [X-Request-Id a-1.b/c=]", "Closed."),
        ("Closed. [trace_id 5f2c9b1e]", "Closed."),
        ("Rows. Closed. [X-Request-Id 1, trace_id 2] Open. [trace_id 3]", "Rows. Closed. Open."),
        ("Request 0a1b2c3d-0000-1111-2222-333344445555 failed.", "Request  failed."),
        ("Request 0123456789abcdef0123456789abcdef failed.", "Request  failed."),
        ("Catalog 4517 of 1790000000 [sic] is deadbeef.", "Catalog 4517 of 1790000000 [sic] is deadbeef."),
    ],
)
def test_failures_are_compared_without_what_each_request_has_of_its_own(said: str, alike: str) -> None:
    assert without_ids(said) == alike


def test_one_reason_of_several_lists_is_told_once_with_their_names() -> None:
    one, two = unpaid("/leads/tags", "r1"), unpaid("/contacts/tags", "r2")
    assert combined_error([one, unpaid("/leads/tags", "r3")]) is one
    told = combined_error([one, two, CLOSED])
    assert str(told) == (
        "Nobody pays for /leads/tags, /contacts/tags. [X-Request-Id r1, trace_id r1f] Leads are closed."
    )
    assert shared_cause(one) == shared_cause(two)
    many = combined_error([unpaid(f"/catalogs/{own}", "r") for own in range(9)])
    assert "/catalogs/0, /catalogs/1, /catalogs/2, /catalogs/3 and 5 more. [" in str(many)


def test_what_one_sentence_says_within_another_is_told_once() -> None:
    inner = unpaid("/events", "r1")
    outer = Unpaid(f"The rows are read. {unpaid('/events', 'r2')}", status=402)
    assert str(combined_error([outer, inner])) == str(outer)
    assert str(combined_error([inner, outer])) == str(outer)
