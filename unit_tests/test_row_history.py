"""Each version of a row that a sync replaces or removes is kept, with the moments between which it held."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from random import Random

from amocrm_warehouse.sync.arrow_table import Table
from amocrm_warehouse.sync.loader import EndedSync
from source_amocrm.streams import schema
from testing.loads import loading, table, waiting
from testing.warehouse import query

PROPERTIES = {
    "name": {"type": ["null", "string"]},
    "tags": {"type": ["null", "array"]},
    "sale": {"type": ["null", "number"]},
    "updated_at": {"type": ["null", "string"], "format": "date-time"},
    "read_at": {"type": ["null", "string"], "format": "date-time"},
}
VERSIONS = "SELECT lead_id, name, tags, sale FROM amocrm.amocrm_1_deals_history ORDER BY held_until, lead_id"
NOW = datetime.now(timezone.utc)
Row = dict[str, object]


def row(number: int, name: str | None, sale: float | None = None, read: int = 0) -> Row:
    moment = "2026-11-03T10:00:00Z"
    return {
        "lead_id": number, "name": name, "tags": [name] if name else None, "sale": sale, "updated_at": moment,
        "read_at": f"2026-11-03T10:00:{read:02}Z",
    }  # fmt: skip


def read(
    database: str,
    *rows: Row,
    whole: bool = False,
    personal_data: str = "",
    history: set[str] | None = None,
    days: int = 0,
) -> None:
    """Loads the rows as a sync does, which keeps versions of `history`, by default of deals."""
    with loading(database) as loader:
        loader.personal_data = personal_data
        loader.history, loader.history_days = {"deals"} if history is None else history, days
        loader.load([waiting(table(PROPERTIES, whole=whole), rows)], {"deals": "1"})
        loader.end(EndedSync(NOW, NOW, True, 1, "[]", "{}"))


def versions(database: str) -> list[tuple[object, object]]:
    return [(one["lead_id"], one["name"]) for one in query(database, VERSIONS)]


def test_versions_are_those_of_a_walk_through_the_readings(database: str) -> None:
    chance, now, expected = Random(5), dict[int, Row](), list[tuple[int, object]]()
    for reading in range(12):
        new = {number: row(number, chance.choice("АБВ"), chance.choice((None, 0.1)), reading) for number in range(6)}
        some = {number: one for number, one in new.items() if chance.random() < 0.6}
        for number, one in sorted(some.items()):
            before = now.get(number)
            if before and (before["name"], before["sale"]) != (one["name"], one["sale"]):
                expected.append((number, before["name"]))
            now[number] = one
        read(database, *some.values())
    assert len(expected) > 10
    assert versions(database) == expected
    spans = query(database, "SELECT lead_id, held_from, held_until FROM amocrm.amocrm_1_deals_history ORDER BY 1, 3")
    for before, after in pairwise(spans):
        assert after["held_from"] == (before["held_until"] if before["lead_id"] == after["lead_id"] else None)


def test_a_row_that_is_read_again_unchanged_is_no_version_and_neither_is_one_that_is_new(database: str) -> None:
    read(database, row(1, "А"))
    read(database, row(1, "А", read=5), row(2, "Б"))
    assert versions(database) == []


def test_of_a_whole_table_what_is_gone_is_kept_too(database: str) -> None:
    read(database, row(1, "А"), row(2, "Б"), row(3, "В"), whole=True)
    read(database, row(1, "А"), row(3, "Г"), whole=True)
    assert versions(database) == [(2, "Б"), (3, "В")]


def test_only_the_chosen_tables_are_kept_and_the_choice_stays(database: str) -> None:
    read(database, row(1, "А"), history=set())
    read(database, row(1, "Б"), history=set())
    assert query(database, "SELECT 1 FROM information_schema.tables WHERE table_name LIKE '%history'") == []
    read(database, row(1, "В"))
    with loading(database) as loader:
        assert (loader.history, loader.history_days) == ({"deals"}, 0)
        loader.load([waiting(table(PROPERTIES), [row(1, "Г")])], {})
    assert versions(database) == [(1, "Б"), (1, "В")]


def test_versions_are_forgotten_after_their_days(database: str) -> None:
    read(database, row(1, "А"))
    read(database, row(1, "Б"))
    old = (NOW - timedelta(days=11)).isoformat()
    with loading(database) as loader, loader._writing():
        loader._database.execute(f"UPDATE {loader._name('deals_history')} SET held_until = '{old}'")
    read(database, row(1, "В"), days=12)
    assert versions(database) == [(1, "А"), (1, "Б")]
    read(database, row(1, "В"), days=10)
    assert versions(database) == [(1, "Б")]


def test_versions_with_personal_data_of_another_form_go(database: str) -> None:
    read(database, row(1, "Анна"))
    read(database, row(1, "Иван"))
    read(database, row(1, "5f2c"), personal_data="other")
    assert versions(database) == []
    read(database, row(1, "77aa"), personal_data="other", whole=True)
    read(database, row(1, "90bb"), personal_data="other")
    assert versions(database) == [(1, "77aa")]


def test_versions_of_a_person_who_is_forgotten_are_empty_and_none_come_after(database: str) -> None:
    contacts = Table("contacts", schema.load("contacts"), ["contact_id"], whole=False)

    def load(*people: tuple[int, str, str]) -> None:
        rows = [{"contact_id": number, "name": name, "phones": [phone]} for number, name, phone in people]
        with loading(database) as loader:
            loader.history = {"contacts"}
            loader.load([waiting(contacts, rows)], {})

    load((1, "Анна Кимова", "+79160000001"), (2, "Иван", "+79160000002"))
    load((1, "Анна Лиева", "+79160000001"), (2, "Иван Иной", "+79160000002"))
    with loading(database) as loader:
        found = loader.forget([1])
    assert {one.table for one in found.erased} == {"contacts", "contacts_history"}
    load((1, "Анна Третья", "+79160000001"), (2, "Иван", "+79160000002"))
    held = "SELECT contact_id, name, CAST(phones AS VARCHAR) AS phones FROM amocrm.amocrm_1_contacts{} ORDER BY 1, 2"
    people = {of: [tuple(row.values()) for row in query(database, held.format(of))] for of in ("", "_history")}
    assert [row[:2] for row in people[""]] == [(1, None), (2, "Иван")]
    assert people["_history"] == [
        (1, None, None),
        (2, "Иван", '["+79160000002"]'),
        (2, "Иван Иной", '["+79160000002"]'),
    ]
