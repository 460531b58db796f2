"""Personal data that is to be hashed or dropped is in no output, file and table."""

from __future__ import annotations

import hmac
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream, DestinationSyncMode, SyncMode

from amocrm_probe.probe_page import page
from amocrm_probe.questions import QUESTIONS
from amocrm_warehouse.report import report_command as report
from sandbox import OFF, Account, Fault, Faults, ManualClock, Sandbox, Server, writes
from sandbox.store import Event, Row
from testing import models, postgres
from testing.command import run, run_in_process
from testing.connector import config, discovered, dumped, files, plain, without_sockets
from testing.guides import block
from testing.leaks import clean
from testing.probed import probed
from testing.warehouse import PYTHON, ROOT

KEY = "a-key-that-nobody-else-knows"
WHOLE = {"raw_records": True, "readable_columns": True, "chat_texts": True}
MODES: dict[str, dict[str, Any]] = {
    "keep": {},
    "hash": {"personal_data": "hash", "personal_data_key": KEY, "personal_fields": ["Должность"]},
    "drop": {"personal_data": "drop", "personal_fields": ["position"]},
}
PLANTED = re.compile(r"planted\d{3}|953[^0-9a-z]{0,3}777[^0-9a-z]{0,2}\d{2}[^0-9a-z]?\d{2}")
"""A name, an address or a phone that was planted, however it is written."""
TYPED = ("+7953777{}", "8 (953) 777-{}-{}", "7953777{}", "+7 953 777 {} {}", "8953777{}")


class Person:
    """Says names, addresses and phones that nobody else has. `said`: how each of them is found again."""

    def __init__(self) -> None:
        self.said: set[str] = set()
        self._numbers = count(100)
        self._phones = count(1000)
        self._typed = cycle(TYPED)

    def name(self) -> str:
        return f"Planted{self._next()} Иван"

    def email(self) -> str:
        return f"Planted{self._next()}@Mail.example"

    def phone(self) -> str:
        number = next(self._phones)
        self.said.add(f"953777{number}")
        typed = next(self._typed)
        return typed.format(*([number] if typed.count("{}") == 1 else [number // 100, f"{number % 100:02}"]))

    def text(self) -> str:
        return f"Звонил {self.name()}, просит написать на {self.email()} или набрать {self.phone()}"

    def _next(self) -> str:
        number = str(next(self._numbers))
        self.said.add(f"planted{number}")
        return number


def seen(text: str) -> set[str]:
    """What was planted and is in a text."""
    found = (re.sub(r"[^0-9a-z]", "", one) for one in PLANTED.findall(text.lower()))
    return set(found)


def planted() -> tuple[Account, Person]:
    """An account with a person in every place that has room for one."""
    clock = ManualClock()
    account, person = Account.generate(seed=4, leads=60, clock=clock), Person()
    tables = account.tables
    for table, change in {"contacts": contact, "companies": company, "leads": deal, "customers": company}.items():
        for own, row in list(tables[table].rows.items())[:14]:
            tables[table].rows[own] = {**row, **change(person, row)}
    for own, row in list(tables["tasks"].rows.items())[:10]:
        tables["tasks"].rows[own] = {**row, "text": person.text(), "result": {"text": person.name()}}
    for name in ("leads/notes", "contacts/notes", "companies/notes", "customers/notes"):
        for own, row in list(tables[name].rows.items())[:12]:
            tables[name].rows[own] = {**row, "params": params(person, row)}
    for own, row in tables["transactions"].rows.items():
        tables["transactions"].rows[own] = {**row, "comment": person.text()}
    for own, row in account.unsorted.items():
        more = {
            "client": {"name": person.name()},
            "phone": int(re.sub(r"\D", "", person.phone())),
            "ip": person.email(),
        }
        account.unsorted[own] = {**row, "metadata": {**row["metadata"], "from": person.phone(), **more}}
    for own, row in account.users.items():
        account.users[own] = {**row, "email": person.email(), "phone_number": person.phone()}
    for file in account.files:
        if file["is_trashed"]:
            continue  # the list does not show it
        file |= {"name": person.name(), "sanitized_name": person.name(), "metadata": {"author": person.name()}}
    for row in account.chat_messages.values():
        attached = {"link": f"https://example.com/{person.name()}", "file_name": person.name()}
        row |= {"text": person.text(), "author": {**row["author"], "name": person.name()}, "attachment": attached}
    history(account, person)
    writes.trash(account, "contacts", list(tables["contacts"].rows)[-1])
    clock.advance(600)
    return account, person


def contact(person: Person, row: Row) -> Row:
    values = {"PHONE": person.phone, "EMAIL": person.email, "IM": person.email, "POSITION": person.name}
    fields = [
        {
            **{"field_id": 1_000_000_000 + place, "field_name": "Должность", "field_code": code},
            **{"field_type": "text" if code == "POSITION" else "multitext", "values": [{"value": say()}]},
        }
        for place, (code, say) in enumerate(values.items())
    ]
    others = [field for field in row["custom_fields_values"] or [] if field["field_code"] not in values]
    name = person.name()
    return {
        **{"name": name, "first_name": name, "last_name": person.name(), "custom_fields_values": [*others, *fields]},
        **{"unheard_of": {"nick": person.name(), person.email(): [person.phone()]}},
    }


def company(person: Person, _: Row) -> Row:
    return {"name": person.name()}


def deal(person: Person, _: Row) -> Row:
    return {"name": f"Заявка: {person.name()} {person.phone()}"}


def params(person: Person, row: Row) -> Row:
    kind, known = row["note_type"], row["params"]
    if kind in ("call_in", "call_out"):
        return {**known, "phone": person.phone(), "call_result": person.text()}
    if kind in ("sms_in", "sms_out"):
        return {**known, "phone": person.phone(), "text": person.text()}
    if kind == "amomail_message":
        return {**known, "from": {"email": person.email()}, "subject": person.text()}
    if kind == "attachment":
        return {**known, "original_name": person.name(), "text": person.text()}
    return {**known, "text": person.text()}


def history(account: Account, person: Person) -> None:
    """Events that say what fields and names became."""
    telephone = next(field["id"] for field in account.fields["contacts"] if field["code"] == "PHONE")
    position = next(field["id"] for field in account.fields["contacts"] if field["code"] == "POSITION")
    own = next(iter(account.tables["contacts"].rows))
    told = {"field_id": telephone, "field_type": 8, "enum_id": None}
    listed = {"field_id": position, "field_type": 1, "enum_id": None}
    changes = {
        "name_field_changed": [{"name_field_value": {"name": person.name()}} for _ in range(2)],
        "task_text_changed": [{"task": {"text": person.text()}} for _ in range(2)],
        f"custom_field_{telephone}_value_changed": [
            {"custom_field_value": {**told, "text": person.phone()}} for _ in range(2)
        ],
        f"custom_field_{position}_value_changed": [
            {"custom_field_value": {**listed, "text": person.name()}} for _ in range(2)
        ],
    }
    some = next(iter(account.events))
    account.load_events(
        Event(f"{some.id[:-3]}z{place:02}", kind, own, "contact", some.created_by, some.created_at, [after], [before])
        for place, (kind, (after, before)) in enumerate(changes.items())
    )


@pytest.fixture(scope="module")
def account() -> tuple[Account, Person]:
    return planted()


def read(account: Account, folder: Path, **settings: Any) -> str:
    """All that `read` prints and logs, with every column that can be had."""
    sandbox = Sandbox(account)
    streams = discovered(sandbox, **WHOLE, **settings)
    catalog = ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream, sync_mode=SyncMode.full_refresh, destination_sync_mode=DestinationSyncMode.append
            )
            for stream in streams.values()
        ]
    )
    told = {"config": config(sandbox, **WHOLE, **settings), "catalog": dumped(catalog)}
    with without_sockets(sandbox):
        done = run_in_process(["read", *files(folder, **{name: plain(content) for name, content in told.items()})])
    assert done.code == 0, done.said
    return done.said


def keys(printed: str) -> list[tuple[str, str]]:
    """Which rows were delivered: the stream, and all that is a number or a moment of each."""
    rows = [json.loads(line)["record"] for line in printed.splitlines() if line.startswith('{"type":"RECORD"')]
    moment = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z")

    def told(value: Any) -> bool:
        return type(value) in (int, bool) or bool(moment.fullmatch(str(value)))

    told_of = [(row["stream"], {name: value for name, value in row["data"].items() if told(value)}) for row in rows]
    return sorted((stream, json.dumps(values)) for stream, values in told_of)


def test_no_output_of_read_holds_anybody(account: tuple[Account, Person], tmp_path: Path) -> None:
    """With `keep` all of them are there, so that the search itself is proved."""
    printed = {mode: read(account[0], tmp_path, **settings) for mode, settings in MODES.items()}
    assert len(account[1].said) >= 200
    assert seen(printed["keep"]) == account[1].said
    assert seen(printed["hash"]) == seen(printed["drop"]) == set()
    assert keys(printed["hash"]) == keys(printed["drop"]) == keys(printed["keep"])
    assert KEY not in printed["hash"]
    [phone] = {one for one in account[1].said if one == "9537771000"}
    assert hmac.new(KEY.encode(), f"+7{phone}".encode(), "sha256").hexdigest() in printed["hash"]


def test_a_listed_field_that_is_none_is_refused(account: tuple[Account, Person], tmp_path: Path) -> None:
    listed: dict[str, Any] = {
        "personal_data": "drop",
        "personal_fields": ["Нет такого", "POSITION", "777", "users.name"],
    }
    for verb in ("check", "read"):
        done = run(Sandbox(account[0]), verb, tmp_path, ["groups"], **listed)
        assert [message for message in done.messages if message.record] == []
        assert done.code == (0 if verb == "check" else 1)
        assert (
            "personal_fields lists “Нет такого”, “777”, and the account has no custom field with such an id, code or "
            "name, so nothing would be replaced for it. Nothing was read. Correct the list, or write a column as "
            "stream.column."
        ) in done.said


def test_a_listed_field_of_a_list_that_is_closed_is_told(account: tuple[Account, Person], tmp_path: Path) -> None:
    sandbox = Sandbox(account[0], faults=Faults(Fault("402", "/companies/custom_fields")))
    listed: dict[str, Any] = {"personal_data": "drop", "personal_fields": ["Нет такого", "POSITION"]}
    done = run(sandbox, "read", tmp_path, ["groups"], **listed)
    assert done.code == 0
    assert (
        "personal_fields lists “Нет такого”, and amoCRM does not show all custom fields, so nobody knows whether there "
        "is one with such an id, code or name."
    ) in done.said


def test_the_probe_finds_nobody(account: tuple[Account, Person]) -> None:
    found = probed(Sandbox(account[0]), **MODES["hash"]).found()
    assert seen(json.dumps(found) + page(QUESTIONS, found)) == set()


@dataclass
class Filled:
    """The folder of a DuckDB file without anybody, and of all else that was written; a server's database of hashes."""

    folder: Path
    duckdb: Path
    url: str
    said: str


SYNCS = """
import sys
from amocrm_warehouse.sync.sync_command import main
for config, database in zip(sys.argv[1::2], sys.argv[2::2]):
    if main(["--config", config, "--to", database, "--project", "1"]):
        sys.exit(1)
"""
"""One process for two syncs: it takes longer to start than to read."""


@pytest.fixture(scope="module")
def filled(account: tuple[Account, Person], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("filled")
    database = folder / "crm.duckdb"
    with postgres.server() as url, Server(account[0], rate=OFF) as server:
        arguments = []
        for mode, to in (("drop", str(database)), ("hash", url)):
            path = folder / f"{mode}.json"
            settings = {**server.config(), "requests_per_second": 50, **WHOLE, **MODES[mode]}
            path.write_text(json.dumps(settings), encoding="utf-8")
            arguments += [str(path), to]
        done = subprocess.run(
            [str(PYTHON), "-c", SYNCS, *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
            env={**os.environ, "SOURCE_AMOCRM_HOME": str(folder / "home"), "TMPDIR": str(folder)},
        )  # fmt: skip
        said = clean(done.stdout + done.stderr)
        assert done.returncode == 0, said
        yield Filled(folder, database, url, said)


def contents(folder: Path) -> str:
    """Every file in a folder, and what is packed in it."""
    texts = []
    for path in folder.rglob("*"):
        if path.is_file():
            texts.append(path.read_bytes().decode("utf-8", "replace"))
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    texts += [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]
    return "\n".join(texts)


def test_dropped_nobody_is_in_duckdb_or_its_file(filled: Filled) -> None:
    with closing(duckdb.connect(str(filled.duckdb), read_only=True)) as connection:
        names = connection.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
        rows = [
            connection.execute(f'SELECT CAST(t AS VARCHAR) FROM "{of}"."{name}" t').fetchall() for of, name in names
        ]
    assert len(rows) > 60
    assert seen(filled.said + str(rows) + contents(filled.folder)) == set()


def test_hashed_nobody_is_in_postgresql_the_marts_the_report_the_workbook_and_the_digest(
    filled: Filled, account: tuple[Account, Person], capsys: pytest.CaptureFixture[str]
) -> None:
    url, folder = filled.url, filled.folder
    said = models.build(url)
    assert report.main(["--db", url, "--built", "--out", str(folder / "page.html")]) == 0
    assert report.main(["--db", url, "--built", "--xlsx", str(folder / "book.xlsx"), "--digest"]) == 0
    said += str(capsys.readouterr())
    rows = [(of, name, all_rows(url, f'"{of}"."{name}"')) for of, name in all_tables(url)]
    assert {of for of, *_ in rows} >= {"amocrm", "amocrm_staging", "amocrm_marts"}
    assert seen(said + str(rows) + contents(folder)) == set()
    assert same_phones(account[0]) == {
        row["entity_id"]
        for row in models.query(url, "SELECT * FROM amocrm_marts.duplicates_and_merges WHERE kind = 'same_phone'")
        if row["entity_type"] == "contact"
    }
    only_the_marts(url)


def all_tables(url: str) -> list[tuple[str, str]]:
    listed = models.query(
        url, "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE 'amocrm%'"
    )
    return [(row["table_schema"], row["table_name"]) for row in listed]


def all_rows(url: str, table: str) -> list[str]:
    return [row["whole"] for row in models.query(url, f"SELECT CAST(t AS text) AS whole FROM {table} t")]


def same_phones(account: Account) -> set[int]:
    """The contacts that have a phone of another contact."""
    owners: dict[str, set[int]] = {}
    for own, row in account.tables["contacts"].rows.items():
        for field in row["custom_fields_values"] or []:
            for value in field["values"] if field["field_code"] == "PHONE" else []:
                digits = re.sub("[^0-9]", "", value["value"])
                owners.setdefault(re.sub(r"^8(?=\d{10}$)", "7", digits), set()).add(own)
    return {own for of in owners.values() if len(of) > 1 for own in of}


def only_the_marts(url: str) -> None:
    """What docs/security.md grants lets a role read the marts, those that are built later, too, and nothing else."""
    grants = block("security.md", "-- a superuser, or a role with CREATEROLE\nCREATE ROLE bi").replace(
        "DATABASE crm", "DATABASE postgres"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in filter(None, map(str.strip, grants.split(";"))):
            connection.execute(statement)
        connection.execute("CREATE TABLE amocrm_marts.of_tomorrow AS SELECT 1")
    with psycopg.connect(url.replace("postgres@", "bi@"), autocommit=True) as guest:
        assert guest.execute("SELECT count(*) FROM amocrm_marts.deals").fetchone()
        assert guest.execute("SELECT * FROM amocrm_marts.of_tomorrow").fetchone()
        for refused in (
            *("SELECT * FROM amocrm.amocrm_1_contacts", "SELECT * FROM amocrm_staging.stg_amocrm__contacts"),
            *(
                "DELETE FROM amocrm_marts.deals",
                "CREATE TABLE amocrm_marts.mine (a int)",
                "CREATE TABLE public.mine (a int)",
            ),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                guest.execute(refused)
