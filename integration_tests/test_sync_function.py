"""`sync` as a function of another program: in any thread, beside the program's own handlers, again and again."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from selenium import webdriver

from amocrm_warehouse.publish.publish_command import publish
from amocrm_warehouse.sync import Outcome, load_queue, sync
from amocrm_warehouse.sync.loader import Loader
from sandbox import OFF, Account, Fault, Faults, Server, writes
from source_amocrm.config_file import ConfigFileError
from testing import comparison, forked, postgres, small_marts
from testing.forked import Forked
from testing.report_page import Report
from testing.warehouse import stored

STREAMS = ["account", "users", "statuses", "deals", "custom_fields_deals"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Account.generate(leads=30), rate=OFF) as running:
        yield running


@pytest.fixture
def config(server: Server, tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
    return path


def in_a_thread(config: Path, to: str, project: str = "1") -> Outcome:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(sync, config, to=to, project=project, streams=STREAMS).result()


@pytest.fixture
def the_hosts() -> Iterator[None]:
    """A handler of Ctrl-C and a hook of the program that calls."""

    def handler(*_: object) -> None: ...

    def hook(*_: object) -> None: ...

    before = signal.signal(signal.SIGINT, handler), sys.excepthook
    sys.excepthook = hook
    yield
    assert signal.getsignal(signal.SIGINT) is handler
    assert sys.excepthook is hook
    signal.signal(signal.SIGINT, before[0])
    sys.excepthook = before[1]


@pytest.mark.usefixtures("the_hosts")
def test_in_a_thread_twice_and_after_publish(
    server: Server, config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, marts = str(tmp_path / "crm.duckdb"), str(tmp_path / "marts.duckdb")
    small_marts.build(marts, ["1001"])
    mask = os.umask(0o022)
    capfd.readouterr()
    with postgres.server() as url:
        assert publish(marts, url, only=["deals"])
        environment = dict(os.environ)
        first, again = (in_a_thread(config, file) for _ in range(2))
        assert in_a_thread(config, url).errors == []
        assert comparison.problems(server.account, stored(url, "1", STREAMS), streams=STREAMS, forgets=True) == []
    assert (first.errors, again.errors, first.complete, again.complete) == ([], [], {*STREAMS}, {*STREAMS})
    assert comparison.problems(server.account, stored(file, "1", STREAMS), streams=STREAMS, forgets=True) == []
    assert (dict(os.environ), os.umask(mask)) == (environment, 0o022)
    assert capfd.readouterr() == ("", "")
    assert Path(file).stat().st_mode & 0o777 == 0o600


def test_each_transaction_brings_cards_with_all_their_parts(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks the database while a sync runs counts every part of every card that it has."""
    parts, same = ("custom_fields_deals", "deal_contacts"), "p.lead_id = d.lead_id AND p.read_at = d.read_at"
    seen, put = list[dict[int, tuple[int, ...]]](), Loader.load

    def load(loader: Loader, *arguments: Any) -> None:
        put(loader, *arguments)
        if loader.sizes(["deals"]):
            counts = (f"(SELECT count(*) FROM {loader._name(part)} p WHERE {same})" for part in parts)
            rows = loader._database.query(f"SELECT d.lead_id, {', '.join(counts)} FROM {loader._name('deals')} d")
            seen.append({deal: tuple(counted) for deal, *counted in rows})

    monkeypatch.setattr(load_queue, "ROWS", 1)
    monkeypatch.setattr(Loader, "load", load)
    with Server(Account.generate(leads=600), rate=OFF) as large:
        config.write_text(json.dumps({**large.config(), "requests_per_second": 50}), encoding="utf-8")
        assert sync(config, to=str(tmp_path / "crm.duckdb"), project="1", streams=["deals", *parts]).errors == []
    assert [len(counts) for counts in seen] == sorted(len(counts) for counts in seen)
    assert len({len(counts) for counts in seen}) > 2
    assert all(sum(kind) > len(seen[-1]) for kind in zip(*seen[-1].values(), strict=True))
    for counts_then in seen:
        assert counts_then.items() <= seen[-1].items()


def test_two_threads_do_not_write_to_one_file(config: Path, tmp_path: Path) -> None:
    file, said = str(tmp_path / "crm.duckdb"), list[str]()
    with duckdb.connect(file):

        def refused() -> None:
            with pytest.raises(ValueError, match="is open in this process") as error:
                sync(config, to=file, project="1", streams=STREAMS)
            said.append(str(error.value))

        thread = threading.Thread(target=refused)
        thread.start()
        thread.join()
    assert len(said) == 1
    assert in_a_thread(config, file).errors == []


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_a_first_sync_that_could_not_open_the_account_creates_nothing(config: Path, tmp_path: Path, kind: str) -> None:
    settings = json.loads(config.read_text(encoding="utf-8"))
    settings["credentials"]["access_token"] += "x"
    config.write_text(json.dumps(settings), encoding="utf-8")
    if kind == "duckdb":
        outcome = sync(config, to=str(tmp_path / "crm.duckdb"), project="1")
        assert not (tmp_path / "crm.duckdb").exists()
    else:
        with postgres.server() as url:
            outcome = sync(config, to=url, project="1")
            with psycopg.connect(url) as connection:
                found = connection.execute("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'amocrm'")
                assert found.fetchall() == []
    assert outcome.config_error
    assert len(outcome.errors) == 1
    assert outcome.totals == {}


def test_a_config_that_does_not_fit_the_account_begins_no_sync(config: Path, tmp_path: Path) -> None:
    file, good = tmp_path / "crm.duckdb", config.read_text(encoding="utf-8")
    wrong = json.dumps({**json.loads(good), "personal_data": "drop", "personal_fields": ["Нет такого"]})

    def refused() -> str:
        config.write_text(wrong, encoding="utf-8")
        with pytest.raises(ConfigFileError, match="no custom field with such an id") as error:
            in_a_thread(config, str(file))
        return str(error.value)

    assert refused().startswith("personal_fields lists “Нет такого”, and the account has no custom field")
    assert not file.exists()
    config.write_text(good, encoding="utf-8")
    assert in_a_thread(config, str(file)).errors == []
    refused()
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute("SELECT ended_well FROM amocrm.amocrm_1_syncs").fetchall() == [(True,)]


def test_the_same_account_under_two_names_is_said_by_sync_models_page_and_digest(
    browser: webdriver.Chrome, config: Path, tmp_path: Path
) -> None:
    file, page = str(tmp_path / "crm.duckdb"), tmp_path / "report.html"
    assert in_a_thread(config, file, "north").notices == []
    for project, other in (("again", "north"), ("north", "again")):
        assert in_a_thread(config, file, project).notices == [
            f"The project {other} of this database holds the same account, so the marts count its deals twice. Keep "
            "one project for an account, and drop the tables of the other."
        ]
    told = (
        "The projects again, north hold one account, so sums over accounts count it more than once. Keep one of them, "
        "and drop the tables of the others."
    )
    alone = forked.run(["models", "--project", "north", "--quiet"], {"DB": file})
    assert (alone.returncode, alone.stderr) == (0, "")
    built = forked.run(["models", "--quiet"], {"DB": file})
    assert (built.returncode, built.stderr) == (0, f"{told}\n")
    reported = forked.run(["report", "--built", "--digest", "--out", page, "--language", "ru", "--quiet"], {"DB": file})
    assert (reported.returncode, reported.stderr.splitlines()[0]) == (0, told)
    assert reported.stdout.splitlines()[0].startswith("Проекты again, north — один и тот же аккаунт: ")
    shown = Report(browser)
    shown.open(page, "ru")
    cautions = shown.script("return [...document.querySelectorAll('.caution')].map((one) => one.textContent)")
    assert cautions == [reported.stdout.splitlines()[0]]


def test_versions_of_rows_are_kept_by_the_choice_of_an_earlier_sync(
    server: Server, config: Path, tmp_path: Path
) -> None:
    file = str(tmp_path / "crm.duckdb")
    deal = server.account.tables["leads"].index("id")[0][1]
    with pytest.raises(ValueError, match="no stream “deal”"):
        sync(config, to=file, project="1", streams=STREAMS, history=["deal"])
    sync(config, to=file, project="1", streams=STREAMS, history=["all"], history_days=30)
    before = server.account.row("leads", deal)["name"]
    writes.cards.edit(server.account, "leads", deal, name="Имя после")
    sync(config, to=file, project="1", streams=STREAMS)
    with duckdb.connect(file) as connection:
        kept = "SELECT lead_id, name FROM amocrm.amocrm_1_deals_history WHERE lead_id = ?"
        assert connection.execute(kept, [deal]).fetchall() == [(deal, before)]
        state = "SELECT state FROM amocrm.amocrm_1_state WHERE stream = ''"
        [(state,)] = connection.execute(state).fetchall()
    assert json.loads(state) | {"history": sorted(STREAMS), "history_days": 30} == json.loads(state)


@pytest.mark.parametrize(
    ("status", "lists", "without", "notices"),
    [
        ("403", "users", ["users"], ["The other tables are read well. A sync ends without this error if it leaves out "
                                     "the rest: --without users"]),
        # most of the account is refused: to leave that out is no remedy
        ("402", "(users|leads/pipelines)", ["users", "statuses"], []),
        ("401", "users", ["users"], []),  # the token is refused, and no table can be read with it
    ],
)  # fmt: skip
def test_what_the_user_may_not_read_is_named_as_what_to_leave_out(
    tmp_path: Path, status: str, lists: str, without: list[str], notices: list[str]
) -> None:
    refusing = Faults(Fault(status, f"/api/v4/{lists}$"))
    with Server(Account.generate(leads=5), rate=OFF, faults=refusing) as closed:
        path = tmp_path / "config.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({**closed.config(), "requests_per_second": 50}), encoding="utf-8")
        to, streams = str(tmp_path / "crm.duckdb"), ["account", "users", "statuses"]
        refused = sync(path, to=to, project="1", streams=streams)
        assert refused.config_error
        assert refused.notices == notices
        assert sync(path, to=to, project="1", streams=streams, without=without).errors == []


def test_between_two_rounds_with_a_report_the_file_is_free_and_whole(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "crm.duckdb"
    command = f"sync --config {config} --project 1 --streams {','.join(STREAMS)} --every 60 --report".split()
    process = Forked(command, {"DB": str(file)}, stderr_apart=True, cwd=tmp_path)
    try:
        assert any(line.startswith("The report: ") for line in process.stdout)
        assert [path.name for path in tmp_path.glob("crm.duckdb*")] == ["crm.duckdb"]
        with duckdb.connect(file) as connection:
            tables = ("amocrm.amocrm_1_deals", "amocrm_marts.deals")
            read, built = (connection.execute(f"SELECT count(*) FROM {table}").fetchall() for table in tables)
            assert read == built != [(0,)]
    finally:
        process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.wait() == 130
