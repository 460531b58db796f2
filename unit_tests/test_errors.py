"""Several failures of one stream, told as one."""

from __future__ import annotations

from airbyte_cdk.models import FailureType

from source_amocrm.errors import Forbidden, Unavailable, all_of

CLOSED = Forbidden("Leads are closed.", failure_type=FailureType.config_error, status=403)
DOWN = Unavailable("amoCRM is down.", failure_type=FailureType.transient_error, status=502)


def test_one_failure_is_told_as_it_is() -> None:
    assert all_of([CLOSED]) is CLOSED
    assert all_of([CLOSED, Forbidden("Leads are closed.", failure_type=FailureType.config_error)]) is CLOSED


def test_of_several_each_is_told_and_one_that_passes_makes_it_worth_another_try() -> None:
    told = all_of([CLOSED, DOWN, CLOSED])
    assert (str(told), told.status) == ("Leads are closed. amoCRM is down.", 403)
    assert told.failure_type is FailureType.transient_error
    both = all_of([CLOSED, Forbidden("Notes are closed.", failure_type=FailureType.config_error)])
    assert (str(both), both.failure_type) == ("Leads are closed. Notes are closed.", FailureType.config_error)
