"""Two things in one second, which amoCRM's dates cannot tell apart."""

from __future__ import annotations

import pytest
from airbyte_cdk.models import Type

from . import comparison
from .connector import messages
from .destination import Destination
from .sandbox import Account, ManualClock, Request, Response, Sandbox, Switches, writes

STREAMS = ["deals", "custom_fields_deals"]


@pytest.fixture(params=[True, False], ids=["filter", "no filter"])
def account(request: pytest.FixtureRequest) -> Account:
    switches = Switches(filter_enabled=request.param)
    return Account.generate(seed=4, leads=30, clock=ManualClock(1_790_000_000), switches=switches)


def filled_field(account: Account) -> tuple[int, int]:
    """A deal and a field of it that has a value."""
    for lead in account.tables["leads"]:
        for field in lead["custom_fields_values"] or ():
            return lead["id"], field["field_id"]
    raise AssertionError("no deal of this account has a field")


class Hurried(Sandbox):
    """Somebody clears `field` of `deal` as soon as a page of deals has been answered."""

    deal = field = 0

    def answer(self, request: Request, refused: Response | None) -> Response:
        response = super().answer(request, refused)
        if self.deal and request.path == "/api/v4/leads":
            writes.clear_field(self.account, "leads", self.deal, self.field)
            self.deal = 0
        return response


@pytest.mark.parametrize("again", [False, True], ids=["first sync", "second sync"])
def test_a_deal_that_changes_again_within_the_second_of_its_reading(account: Account, again: bool) -> None:
    """Both versions bear one date, so the rows of the first one must not be there at all."""
    sandbox, destination = Hurried(account), Destination()
    if again:
        destination.take(messages(sandbox, STREAMS))
        account.clock.advance(3_600)  # type: ignore[attr-defined]
    deal, field = filled_field(account)
    writes.edit(account, "leads", deal, price=1)
    edited = account.clock.now()
    sandbox.deal, sandbox.field = deal, field
    destination.take(messages(sandbox, STREAMS, destination.state()))
    lead = account.tables["leads"].get(deal)
    assert lead
    assert lead["updated_at"] == edited
    assert field not in {value["field_id"] for value in lead["custom_fields_values"] or ()}
    current = [row for own, row in destination.rows["custom_fields_deals"].items() if own[:2] == (deal, field)]
    assert [row for row in current if row["lead_updated_at"] == destination.rows["deals"][deal,]["updated_at"]] == []
    assert [line for line in comparison.problems(account, destination.rows) if "deals" in line] == []


def test_a_deal_that_comes_back_in_the_second_in_which_the_sync_starts(account: Account) -> None:
    """Its deletion is known, its return not yet: what the list shows is not buried by that."""
    deal = next(iter(account.tables["leads"]))["id"]
    writes.trash(account, "leads", deal)
    account.clock.advance(3_600)  # type: ignore[attr-defined]
    writes.restore(account, "leads", deal)
    read = [one.record.data for one in messages(Sandbox(account), ["deals"]) if one.type == Type.RECORD and one.record]
    assert [row["is_deleted"] for row in read if row["lead_id"] == deal] == [False]
