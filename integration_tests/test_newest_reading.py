"""The current parts of a card are those of its newest reading, whatever the dates of the card and the clocks say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unittest import mock

import pytest

from sandbox import Account, ManualClock, Sandbox, Switches, writes
from source_amocrm.engine import delivery
from testing import comparison
from testing.connector import messages
from testing.destination import Destination

TABLES = [*comparison.CARDS, *comparison.PARTS]
OF_DEALS = ["deals", *(name for name, (card, *_) in comparison.PARTS.items() if card == "deals")]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class World:
    """An account whose cards keep their dates when a link or a tag changes, and a destination of its tables."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        switches = Switches(links_bump=False, tags_bump=False)
        self.account = Account.generate(seed=2, leads=60, clock=self.clock, switches=switches)
        self.sandbox, self.destination = Sandbox(self.account), Destination()

    def sync(self, tables: Sequence[str] = TABLES, seconds: float = 600) -> int:
        """Syncs these tables. Returns how many requests it took."""
        self.clock.advance(seconds)
        before = len(self.sandbox.log)
        states = [state for state in self.destination.state() if named(state) in tables]
        assert self.destination.take(messages(self.sandbox, tables, states))
        assert self.destination.complaints == []
        return len(self.sandbox.log) - before

    def wrong(self, tables: Sequence[str] = TABLES) -> list[str]:
        return comparison.problems(self.account, self.destination.rows, streams=tables)

    def deal_with_contacts(self) -> tuple[int, list[int]]:
        return next(
            (row["id"], linked)
            for row in self.account.tables["leads"]
            if len(linked := self.account.linked("leads", row["id"], "contacts")) > 1
        )

    def unlink_a_contact(self) -> tuple[int, int]:
        deal, (contact, *_) = self.deal_with_contacts()
        writes.unlink(self.account, "leads", deal, "contacts", contact)
        return deal, contact

    def read_at(self, table: str) -> dict[tuple[int, ...], str]:
        return {key: row["read_at"] for key, row in self.destination.rows[table].items()}


def named(state: object) -> str:
    return str(state.stream.stream_descriptor.name)  # type: ignore[attr-defined]


@pytest.fixture
def world() -> World:
    return World()


def test_a_card_and_its_parts_have_the_moment_of_their_reading(world: World) -> None:
    world.sync()
    cards = world.read_at("deals")
    assert all(MOMENT.fullmatch(moment) for moment in cards.values())
    for name in OF_DEALS[1:]:
        assert {key[:1]: moment for key, moment in world.read_at(name).items()}.items() <= cards.items(), name
    assert world.wrong() == []


@pytest.mark.parametrize(
    ("seconds", "date_ahead"),
    [(600, 0), (0, 0), (600, -60), (600, -86_400)],
    ids=["", "in one second", "amoCRM's clock set back", "by a day"],
)
def test_a_contact_that_was_removed_is_gone_at_once_though_the_deal_keeps_its_date(
    world: World, seconds: float, date_ahead: float
) -> None:
    world.sync()
    world.clock.advance(60)
    deal, contact = world.unlink_a_contact()
    world.clock.advance(5)
    before = dict(world.destination.rows["deals"][deal,])
    for _ in range(3):
        world.account.switches.date_ahead = date_ahead
        world.sync(seconds=seconds)
        world.sync(seconds=seconds)
        row = world.destination.rows["deals"][deal,]
        assert (row["updated_at"], row["read_at"] == before["read_at"]) == (before["updated_at"], False)
        assert (deal, contact) in world.read_at("deal_contacts")
        assert world.wrong() == []
        date_ahead -= 3_600


def test_a_deleted_card_has_no_current_parts(world: World) -> None:
    world.sync()
    deal, _ = world.deal_with_contacts()
    writes.trash(world.account, "leads", deal)
    world.sync()
    assert world.destination.rows["deals"][deal,]["is_deleted"]
    kept = [name for name in OF_DEALS[1:] for key in world.read_at(name) if key[0] == deal]
    assert "deal_contacts" in kept
    assert [name for name in kept for key in comparison.current(name, world.destination.rows) if key[0] == deal] == []
    writes.restore(world.account, "leads", deal)
    world.sync()
    assert world.wrong() == []


@pytest.mark.parametrize("killed", [1, 2])
@mock.patch.object(delivery, "ROWS_BETWEEN_STATES", 1)
def test_a_card_that_nothing_names_after_a_kill_is_read_again_for_all_its_tables(killed: int) -> None:
    """A merged company names its deals until it is trashed, and the trash names nobody."""
    tables, apart = ["companies", "deals", "deal_companies"], 0
    for point in range(2, 100):
        world = World()
        world.account.switches.trash_in_links = False
        world.sync(tables)
        companies = (row["id"] for row in world.account.tables["companies"])
        survivor, victim = [one for one in companies if world.account.linked("companies", one, "leads")][:2]
        deals = world.account.linked("companies", survivor, "leads")
        before = world.read_at("deals")
        writes.merge(world.account, "companies", survivor, victim)
        world.clock.advance(600)
        if world.destination.take(messages(world.sandbox, tables, world.destination.state()), stop_after=point):
            break
        new, parts = ({key[0]: at for key, at in world.read_at(name).items()} for name in tables[1:])
        apart += any(new[deal] != before[deal,] and parts[deal] != new[deal] for deal in deals)
        writes.trash(world.account, "companies", survivor)
        for _ in range(killed - 1):
            world.destination.take(messages(world.sandbox, tables, world.destination.state()), stop_after=point)
        world.sync(tables)
        assert world.wrong(tables) == [], point
    assert apart


def test_a_sync_of_the_cards_alone_costs_their_parts_until_the_next_sync_of_both(world: World) -> None:
    world.sync(OF_DEALS)
    deal, _ = world.deal_with_contacts()
    writes.edit(world.account, "leads", deal, price=7)
    world.sync(["deals"])
    assert [own for own, _ in comparison.current("deal_contacts", world.destination.rows) if own == deal] == []
    world.unlink_a_contact()
    world.sync(["deals"])
    world.sync(OF_DEALS)
    assert world.wrong(OF_DEALS) == []


@pytest.mark.parametrize("anew", ["deals", "deal_contacts"])
def test_a_table_that_was_read_anew_alone_makes_the_next_sync_read_its_cards_anew(world: World, anew: str) -> None:
    world.sync(OF_DEALS)
    del world.destination.states[anew]
    world.sync([anew])
    assert comparison.current("deal_contacts", world.destination.rows) == {}
    world.sync(OF_DEALS)
    assert world.wrong(OF_DEALS) == []
    delivered = world.destination.delivered.total()
    world.sync(OF_DEALS)
    assert world.destination.delivered.total() == delivered


def test_a_table_that_is_read_for_the_first_time_makes_its_cards_come_again(world: World) -> None:
    world.sync(["deals", "deal_tags"])
    world.sync(OF_DEALS)
    assert world.wrong(OF_DEALS) == []
