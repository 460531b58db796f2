"""What is forgotten of a person: all of it, nobody else's, and no later sync brings it back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from pyarrow import parquet

from amocrm_warehouse.sync.forgotten_cards import pattern_of
from amocrm_warehouse.verify.verify_command import verify
from sandbox import OFF, Account, RealClock, Server, writes
from testing import forked
from testing.warehouse import asking, execute, query

pytestmark = pytest.mark.at_length
PROJECT = "1001"
PHONE, EMAIL = "+7 (916) 700-55-44", "Zhanna.Forget@example.com"
NAME, FIRST = "Жанна Забудкина", "Жанна"
TRACES = re.compile(r"Забудкин|916\W*700\W*55\W*44|Zhanna|secret", re.IGNORECASE)
Row = dict[str, Any]


class Cards(NamedTuple):
    person: int
    friend: int
    own_deal: int
    other_deal: int
    other_note: int


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[Server]:  # noqa: ARG001 - an account for each database
    with Server(Account.generate(leads=60), rate=OFF) as running:
        yield running


@pytest.fixture(scope="module")
def person(server: Server) -> Cards:
    """A contact with a deal of its own, whose name, phone and address also stand in other people's cards."""
    account, cards = server.account, writes.cards
    one = cards.create_contact(account, name=NAME, first_name=FIRST, last_name="Забудкина")
    for code, value in (("PHONE", PHONE), ("EMAIL", EMAIL)):
        [field] = [row["id"] for row in account.fields["contacts"] if row["code"] == code]
        cards.set_field(account, "contacts", one, field, [{"value": value}])
    friend = cards.create_contact(account, name="Пётр Иной", first_name="Пётр", last_name="Иной")
    deal = cards.create_lead(account, contacts=[one], name="Секрет: secret wedding")
    address = next(row["id"] for row in account.fields["leads"] if row["type"] == "streetaddress")
    cards.set_field(account, "leads", deal, address, [{"value": "secret street"}])
    other = cards.create_lead(account, contacts=[friend], name=f"Свадьба, {NAME.upper()}")
    writes.activity.add_note(account, "contacts", one, "secret of a contact")
    writes.activity.add_note(account, "leads", deal, "secret of a deal")
    writes.activity.add_note(
        account, "leads", deal, note_type="call_in",
        params={"phone": "89167005544", "duration": 60, "link": "https://example.com/secret.mp3", "uniq": "secret"},
    )  # fmt: skip
    note = writes.activity.add_note(account, "leads", other, "звонить 8 916 700-55-44, secret")
    writes.activity.add_note(account, "leads", other, "Жанна д’Арк")
    writes.activity.add_task(account, "contacts", one, text="secret task")
    assert isinstance(account.clock, RealClock)
    account.clock.shift += 10  # a sync reads events that are a second old
    return Cards(one, friend, deal, other, note)


@pytest.fixture(scope="module")
def config(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "config.json"
    settings = {**server.config(), "requests_per_second": 50, "readable_columns": True}
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


def run(database: str, *arguments: str | Path, days: int = 30, code: int = 0) -> str:
    """`days`: for which amoCRM's trash keeps a contact."""
    constants = {"amocrm_warehouse.sync.forgotten_cards.DAYS_IN_THE_TRASH": days}
    done = forked.run([str(one) for one in arguments], {"DB": database}, constants)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def sync(config: Path, database: str, *options: str, days: int = 30) -> None:
    run(database, "sync", "--config", config, "--project", PROJECT, *options, days=days)


def everything(database: str) -> dict[str, list[Row]]:
    """Returns the rows of all tables of all schemas."""
    with asking(database) as ask:
        listed = ask(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema LIKE 'amocrm%' ORDER BY 1"
        )
        names = [f'"{row["table_schema"]}"."{row["table_name"]}"' for row in listed]
        return {name: ask(f"SELECT * FROM {name}") for name in names}


def traces(tables: dict[str, list[Row]]) -> list[str]:
    return sorted({
        f"{table}.{column}"
        for table, rows in tables.items() if is_traced(rows)  # few are, and one look at all rows is quick
        for row in rows for column, value in row.items() if is_traced(value)
    })  # fmt: skip


def is_traced(value: Any) -> bool:
    return bool(TRACES.search(json.dumps(value, ensure_ascii=False, default=str)))


def test_nothing_of_a_person_stays_and_nothing_of_others_goes(
    config: Path, database: str, person: Cards, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    sync(config, database)
    run(database, "models")
    run(database, "publish", "--from", database, "--to", lake.as_uri(), "--only", "marts,tables")
    before = everything(database)
    assert len(traces(before)) > 20
    options = ("--published", lake.as_uri(), "--only", "marts,tables", "--json")
    done = json.loads(run(database, "forget", "--project", PROJECT, "--contact", str(person.person), *options))
    after = everything(database)
    assert traces(after) == []
    assert done["left"] == {}
    assert done["same_people"] == []
    assert {row["table"].removeprefix("amocrm_1001_") for row in done["erased"]} >= {
        "contacts", "custom_fields_contacts", "deals", "notes", "calls", "tasks",
    }  # fmt: skip
    lost = {}
    for table, rows in before.items():
        if table.startswith('"amocrm"'):
            own = zip(*(in_order(some) for some in (rows, after[table])), strict=True)
            lost[table] = [(old, new) for old, new in own if old != new]
            for old, new in lost[table]:  # whatever differs is empty, and tells of the person
                assert {new[name] for name in new if new[name] != old[name]} == {None}
    changed = {table.split("1001_")[1].rstrip('"'): len(rows) for table, rows in lost.items() if rows}
    ids = {"contacts": "contact_id", "deals": "lead_id"}
    touched = {name: {old[column] for old, _ in lost[f'"amocrm"."amocrm_1001_{name}"']} for name, column in ids.items()}
    assert touched == {"contacts": {person.person}, "deals": {person.own_deal, person.other_deal}}
    assert changed["notes"] >= 3
    assert any(row["text"] == "Жанна д’Арк" for row in after['"amocrm"."amocrm_1001_notes"'])
    for path in lake.rglob("*.parquet"):
        assert not is_traced(parquet.read_table(path).to_pylist()), path


def in_order(rows: list[Row]) -> list[Row]:
    keys = [name for name in (rows or [{}])[0] if re.search(r"_id$|^code$|index$|type$|uuid$|stream$", name)]
    return sorted(rows, key=lambda row: json.dumps([row[name] for name in keys], default=str))


def test_no_later_sync_brings_it_back_and_verify_finds_no_difference(
    server: Server, config: Path, database: str, person: Cards
) -> None:
    account = server.account
    for kind, card in (("contacts", person.person), ("leads", person.own_deal), ("leads", person.other_deal)):
        writes.cards.touch(account, kind, card)
    writes.activity.edit_note(account, "leads", person.other_note, "8 916 700 55 44, again secret")
    writes.activity.add_note(account, "contacts", person.person, "a new secret")
    new = writes.cards.create_lead(account, contacts=[person.person], name="secret of a new deal")
    writes.activity.add_note(account, "leads", new, "secret of a new deal")
    account.clock.shift += 10  # type: ignore[attr-defined]
    sync(config, database)
    assert traces(everything(database)) == []
    [deal] = query(database, f"SELECT * FROM amocrm.amocrm_1001_deals WHERE lead_id = {new}")
    assert (deal["name"], deal["main_contact"]) == (None, person.person)
    sync(config, database, "--refresh", "all")
    assert traces(everything(database)) == []
    assert verify(config, database, PROJECT, kept=False).exit_code == 0


def test_marts_that_cannot_be_built_are_said_to_hold_the_values(database: str, person: Cards, tmp_path: Path) -> None:
    given = ["--contact", str(person.person), "--plans", str(tmp_path / "plans.csv")]
    done = forked.run(["forget", "--project", PROJECT, *given], {"DB": database})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"There is no file {tmp_path}/plans.csv. Correct its path.\nThe tables are done, and the marts still hold the "
        "values. Mend what the lines above say, and run source-amocrm forget again.\n"
    )


def test_an_id_that_no_table_has_is_told_from_a_person_who_was_forgotten(
    config: Path, database: str, person: Cards
) -> None:
    execute(database, "DROP SCHEMA IF EXISTS amocrm_staging CASCADE")  # so that no forgetting builds the models anew
    sync(config, database)
    run(database, "forget", "--project", PROJECT, "--contact", str(person.person))
    said = run(database, "forget", "--project", PROJECT, "--contact", f"{person.person},1", code=1).splitlines()
    assert "Nothing of this person was left." not in said
    assert [line for line in said if line.startswith("The tables have no contact")] == [
        "The tables have no contact 1. Check the id: it stands at the end of the card's address in amoCRM, "
        "…/contacts/detail/123. If it is right, no sync has read the contact yet, and none will fill it."
    ]
    assert "Nothing of this person was left." in run(
        database, "forget", "--project", PROJECT, "--contact", str(person.person)
    )


def test_contacts_that_left_the_trash_leave_nothing_unless_they_are_kept(
    server: Server, config: Path, database: str
) -> None:
    account = server.account
    gone = writes.cards.create_contact(account, name="Secret Person", first_name="Secret", last_name="Person")
    writes.activity.add_note(account, "contacts", gone, "secret of the deleted")
    account.clock.shift += 10  # type: ignore[attr-defined]
    sync(config, database)
    writes.removal.trash(account, "contacts", gone)
    account.clock.shift += 10  # type: ignore[attr-defined]
    sync(config, database, "--keep-deleted")
    notes = f"SELECT text FROM amocrm.amocrm_1001_notes WHERE element_id = {gone} AND element_type = 1"
    assert [row["text"] for row in query(database, notes)] == ["secret of the deleted"]
    sync(config, database, "--no-keep-deleted")
    assert [row["text"] for row in query(database, notes)] == ["secret of the deleted"]
    sync(config, database, "--keep-deleted", days=-1)
    sync(config, database, days=-1)
    assert [row["text"] for row in query(database, notes)] == ["secret of the deleted"]
    sync(config, database, "--no-keep-deleted", days=-1)
    assert [row["text"] for row in query(database, notes)] == [None]
    writes.removal.restore(account, "contacts", gone)
    account.clock.shift += 10  # type: ignore[attr-defined]
    sync(config, database)
    names = f"SELECT name FROM amocrm.amocrm_1001_contacts WHERE contact_id = {gone}"
    assert query(database, names) == [{"name": "Secret Person"}]


def test_a_former_name_that_a_version_of_the_row_holds_is_looked_for(tmp_path: Path) -> None:
    account, file = Account.generate(leads=5), str(tmp_path / "crm.duckdb")
    one = writes.cards.create_contact(account, name="Майя Прежняя", first_name="Майя", last_name="Прежняя")
    friend = writes.cards.create_contact(account, name="Пётр Иной", first_name="Пётр", last_name="Иной")
    note = writes.activity.add_note(account, "contacts", friend, "замужем за братом Майи: Прежняя  Майя")
    assert isinstance(account.clock, RealClock)
    account.clock.shift += 10
    config, kept = tmp_path / "config.json", ("--history", "contacts", "--streams", "account,users,contacts,notes")
    with Server(account, rate=OFF) as server:
        config.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
        sync(config, file, *kept)
        writes.cards.edit(account, "contacts", one, name="Майя Новая", first_name="Майя", last_name="Новая")
        account.clock.shift += 10
        sync(config, file, *kept)
    run(file, "forget", "--project", PROJECT, "--contact", str(one))
    assert query(file, f"SELECT text FROM amocrm.amocrm_1001_notes WHERE note_id = {note}") == [{"text": None}]


WRITINGS = [
    (
        PHONE,
        ["89167005544", "+7 916 700-55-44", "916 700 55 44", "т. 8(916)7005544."],
        ["79167005545", "189167005544", "891670055441"],
    ),
    (EMAIL, ["zhanna.forget@EXAMPLE.com", "<Zhanna.Forget@example.com>"], ["azhanna.forget@example.com"]),
    (NAME, ["от ЖАННА  ЗАБУДКИНА,", "«Жанна Забудкина»"], ["Жанна", "Забудкина Жанна", "Жанна Забудкинаа"]),
]


@pytest.mark.parametrize(("text", "found", "others"), WRITINGS, ids=["phone", "email", "name"])
def test_a_text_is_found_in_any_writing(database: str, text: str, found: list[str], others: list[str]) -> None:
    pattern = (pattern_of([text]) or "").replace("'", "''")
    match = f"'{{}}' ~ '{pattern}'" if database.startswith("postgresql:") else f"regexp_matches('{{}}', '{pattern}')"
    if not database.startswith("postgresql:"):
        with closing(duckdb.connect()) as connection:
            given = {one: connection.execute(f"SELECT {match.format(one)}").fetchall()[0][0] for one in found + others}
    else:
        given = {one: query(database, f"SELECT {match.format(one)} AS found")[0]["found"] for one in found + others}
    assert given == {one: one in found for one in found + others}


@pytest.mark.parametrize("text", ["", "Анна", "Ли Ян", "12-34"])
def test_what_tells_nobody_is_not_looked_for(text: str) -> None:
    assert pattern_of([text]) is None


def test_mistakes_are_told_before_anything_is_done(database: str) -> None:
    done = forked.run(["forget", "--project", PROJECT, "--contact", "Анна"], {"DB": database})
    assert (done.returncode, done.stdout) == (2, "")
    assert "--contact Анна is no id. The id of a contact stands at the end of its card" in done.stderr
    done = forked.run(["forget", "--project", "77", "--contact", "1"], {"DB": database})
    assert (done.returncode, done.stdout) == (2, "")
    assert "No sync has written tables amocrm_77_" in done.stderr
