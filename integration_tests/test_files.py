"""Files, which are listed by another host: when it is asked, what it may refuse, and that nobody else minds."""

from __future__ import annotations

import logging
import math
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
from airbyte_cdk.models import FailureType, Status

from sandbox import NOW, OFF, Account, Fault, Faults, ManualClock, Request, Sandbox, Server, Switches
from sandbox.server import oauth_credentials
from source_amocrm.connect.signin import verify
from source_amocrm.source import SourceAmocrm
from testing import comparison, expected
from testing.command import Outcome, run, run_process
from testing.connector import catalog, config, dumped, files, without_sockets

DRIVE = "drive-b.amocrm.ru"
LIST = (DRIVE, "/v1.0/files")
FACTS = ("example.amocrm.ru", "/api/v4/account")
GRANT = "and then grant access again or create a new token"
CLOSED = (
    f"amoCRM's host of files, {DRIVE}, does not let the token in ({{}}). Where files are wanted, tick «Доступ к "
    f"файлам» in the integration, {GRANT}; else leave the table out."
)
REFUSALS = {
    401: CLOSED.format("Invalid user name or password, Unauthorized"),
    403: CLOSED.format("The token's scopes do not include files, Forbidden"),
    404: f"amoCRM's host of files, {DRIVE}, does not know /v1.0/files (Cannot GET /v1.0/files, Not Found).",
}
NO_SCOPE = (
    f"The token lacks the scope “files”. Tick «Доступ к файлам» in the integration, {GRANT}; or leave the table out."
)
ENDLESS = (
    "amoCRM's list /v1.0/files promises a next page again and again without a new row in it, so it cannot be read to "
    "its end. Run the sync again later; if it repeats, report it to amoCRM support with the address of the list."
)


def account_with(**switches: Any) -> Account:
    account = Account.generate(seed=5, leads=100, now=NOW - 3600, switches=Switches(**switches))
    account.clock = ManualClock()
    return account


def asked(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [(seen.host, seen.path) for seen in sandbox.log]


def check_rows(told: Outcome, account: Account, failed: tuple[str, ...] = ()) -> None:
    """What came is whole, of every stream but the failed ones."""
    found, dead = told.rows(), expected.tombstones(account)
    assert tuple(told.sentences()) == failed
    for name, live in expected.tables(account).items():
        if name not in failed:
            assert found[name] == comparison.by_key(name, [*live, *dead.get(name, ())]), name


def check_others(told: Outcome, account: Account, sentence: str) -> None:
    """`files` failed, alone, and with these words."""
    check_rows(told, account, ("files",))
    assert told.sentences()["files"] == sentence
    assert told.rows()["files"] == {}


def test_every_file_with_every_column(tmp_path: Path) -> None:
    account = account_with()
    sandbox = Sandbox(account)
    told = run(sandbox, "read", tmp_path, ["files"])
    wanted = comparison.by_key("files", expected.table(account, "files"))
    assert (told.code, told.rows()["files"]) == (0, wanted)
    assert len(wanted) == 7
    assert len(account.files) == 8, "one is in the trash"
    assert asked(sandbox) == [FACTS, LIST]
    assert [seen.query for seen in sandbox.log] == ["with=drive_url%2Cis_api_filter_enabled", "limit=50&page=1"]


@pytest.mark.parametrize("end", ["204", "empty"])
def test_pages_of_files(end: str, tmp_path: Path) -> None:
    """A page's length is no end; a list of pages is read until two passes agree."""
    account = account_with(page_max=2, page_default=2, end=end, next_on_full_last_page=True)
    sandbox = Sandbox(account, faults=Faults(Fault("204", "/v1.0/", min_page=2, nth=(1,))))
    told = run(sandbox, "read", tmp_path, ["files"])
    assert (told.code, told.rows()["files"]) == (0, comparison.by_key("files", expected.table(account, "files")))
    assert set(asked(sandbox)[1:]) == {LIST}
    # the account, the first page, the second twice; two passes; and up to four requests ahead, which show that windows
    # do not join: none is sent behind a page that has come as the last one
    least = 4 + 2 * math.ceil(len(account.files) / 2)
    assert least <= len(sandbox.log) <= least + 4


def test_no_files(tmp_path: Path) -> None:
    account = account_with()
    account.files.clear()
    told = run(Sandbox(account), "read", tmp_path, ["files"])
    assert (told.code, told.sentences(), told.rows()["files"]) == (0, {}, {})


def test_files_of_a_sync_of_everything(tmp_path: Path) -> None:
    account = account_with()
    sandbox = Sandbox(account)
    check_rows(run(sandbox, "read", tmp_path), account)
    assert [host for host, path in asked(sandbox) if path.startswith("/v1.0")] == [DRIVE]
    assert {host for host, path in asked(sandbox) if path.startswith("/api")} == {"example.amocrm.ru"}


def test_the_drive_is_not_asked_unless_files_are_selected(tmp_path: Path) -> None:
    sandbox = Sandbox(account_with())
    assert run(sandbox, "read", tmp_path, [name for name in expected.KEYS if name != "files"]).code == 0
    assert run(sandbox, "discover", tmp_path).code == 0
    assert {host for host, _ in asked(sandbox)} == {"example.amocrm.ru"}
    assert run(sandbox, "check", tmp_path).code == 0
    assert asked(sandbox).count(LIST) == 1


def test_a_token_that_names_its_scopes_without_files_is_not_tried(tmp_path: Path) -> None:
    account = account_with(files_scope=False)
    sandbox = Sandbox(account)
    told = run(sandbox, "read", tmp_path)
    check_others(told, account, NO_SCOPE)
    assert told.code == 1
    assert DRIVE not in {host for host, _ in asked(sandbox)}


def test_a_token_that_comes_with_the_sync_is_looked_at_too(tmp_path: Path) -> None:
    sandbox = Sandbox(account_with(files_scope=False))
    credentials = oauth_credentials(sandbox.tokens)
    del credentials["access_token"], credentials["token_expiry_date"]
    told = run(sandbox, "read", tmp_path, ["files"], credentials=credentials)
    assert (told.code, told.sentences()) == (1, {"files": NO_SCOPE})
    assert asked(sandbox) == [("example.amocrm.ru", "/oauth2/access_token"), FACTS]


def test_connecting_tells_of_the_scope() -> None:
    account = Account.generate(seed=5, leads=5, switches=Switches(files_scope=False))
    with Server(account, rate=OFF) as server:
        verdict = verify({**server.config(), "requests_per_second": 50})
    assert verdict.refused == {("files",): "not_granted"}
    assert "files" not in verdict.readable


def test_the_check_tells_of_the_scope_without_a_request() -> None:
    sandbox = Sandbox(account_with(files_scope=False))
    requests = []
    for scope in (False, True):
        sandbox.account.switches.files_scope = scope
        sandbox.log.clear()
        with without_sockets(sandbox):
            status = SourceAmocrm().check(logging.getLogger("airbyte"), config(sandbox))
        notes = str(status.message).split("\n")
        assert (status.status, [note for note in notes if not note.startswith("Empty: customer_statuses. ")]) == (
            Status.SUCCEEDED,
            [] if scope else [f"Not available: files. {NO_SCOPE}"],
        )
        requests.append(Counter(asked(sandbox)))
    assert requests[1] - requests[0] == {LIST: 1}
    assert requests[0] - requests[1] == {}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_drive_that_does_not_take_the_token(status: int, tmp_path: Path) -> None:
    account = account_with(files_scope=False, scopes_told=False, files_refused=status)
    sandbox = Sandbox(account)
    told = run(sandbox, "read", tmp_path)
    assert told.code == 1
    check_rows(told, account, ("files",))
    assert told.sentences()["files"].startswith(REFUSALS[status])
    assert asked(sandbox).count(LIST) == 1


@pytest.mark.parametrize("status", REFUSALS)
def test_no_refusal_of_the_drive_costs_a_refresh_token(status: int, tmp_path: Path) -> None:
    """After a 401 the account is asked whether it takes the token still."""
    sandbox = Sandbox(account_with(files_scope=False, scopes_told=False, files_refused=status))
    told = run(sandbox, "read", tmp_path, ["files"], credentials=oauth_credentials(sandbox.tokens))
    assert (told.code, list(told.sentences()), sandbox.tokens.exchanges) == (1, ["files"], 0)
    assert asked(sandbox) == [FACTS, LIST, *([FACTS] if status == 401 else [])]


def test_a_token_that_dies_on_the_way_to_the_drive_is_renewed_at_the_account(tmp_path: Path) -> None:
    account = account_with()
    sandbox = Sandbox(account)
    credentials = oauth_credentials(sandbox.tokens)

    def die(_: Sandbox, request: Request) -> None:
        if request.host == DRIVE and not sandbox.tokens.exchanges:
            sandbox.tokens.revoke(str(credentials["access_token"]))

    sandbox.before_request.append(die)
    told = run(sandbox, "read", tmp_path, ["files"], credentials=credentials)
    assert (told.code, told.rows()["files"]) == (0, comparison.by_key("files", expected.table(account, "files")))
    token = ("example.amocrm.ru", "/oauth2/access_token")
    assert asked(sandbox) == [FACTS, LIST, FACTS, token, FACTS, LIST]
    assert sandbox.tokens.exchanges == 1


@pytest.mark.parametrize("kind", ["403_nginx", "403_ip", "401_user_off", "401_no_account", "402"])
def test_what_the_account_itself_would_end_with_ends_nothing_here(kind: str, tmp_path: Path) -> None:
    account = account_with()
    told = run(Sandbox(account, faults=Faults(Fault(kind, "/v1.0/"))), "read", tmp_path)
    check_rows(told, account, ("files",))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("500", "amoCRM failed at /v1.0/files (Internal server error, ErrInternalServer), again and again. "),
        ("504", "amoCRM did not manage to answer /v1.0/files in time (504), again and again. "),
        ("hang", f"{DRIVE} did not finish its answer to /v1.0/files in time, again and again. "),
        ("reset_before", f"The connection to {DRIVE} was lost at /v1.0/files, again and again. "),
        (
            "redirect",
            f"amoCRM's host of files, {DRIVE}, leads elsewhere (to www.amocrm.ru), where the token is not sent. ",
        ),
        ("429", "amoCRM kept answering «too many requests» for 15 minutes, or asked to wait longer than that. "),
    ],
)
def test_other_failures_of_the_drive_are_those_of_files_alone(kind: str, says: str, tmp_path: Path) -> None:
    account = account_with()
    told = run(Sandbox(account, faults=Faults(Fault(kind, "/v1.0/"))), "read", tmp_path)
    check_rows(told, account, ("files",))
    assert told.sentences()["files"].startswith(says)
    assert told.rows()["files"] == {}
    assert told.code == 1


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            f"The network does not know amoCRM's host of files, {DRIVE} (DNS). Let the machine where this connector "
            "runs reach it, or leave the table out.",
        ),
        (
            ConnectionRefusedError(),
            f"{DRIVE} does not accept connections. Let the machine where this connector runs reach it: a firewall or a "
            "proxy may stand in between. Try again later; what a sync has read is kept.",
        ),
    ],
    ids=["DNS", "refused"],
)
def test_a_drive_that_cannot_be_reached(cause: OSError, says: str, tmp_path: Path) -> None:
    account = account_with()
    sandbox = Sandbox(account)

    def unreachable(_: Sandbox, request: Request) -> None:
        if request.host == DRIVE:
            raise requests.ConnectionError(cause)

    sandbox.before_request.append(unreachable)
    told = run(sandbox, "read", tmp_path)
    check_others(told, account, says)
    assert told.errors()["files"].failure_type is FailureType.transient_error


@pytest.mark.parametrize("kind", ["401", "403", "402"])
def test_a_list_that_closes_in_the_middle_is_not_taken_for_none(kind: str, tmp_path: Path) -> None:
    account = account_with(page_max=4, page_default=4)
    told = run(Sandbox(account, faults=Faults(Fault(kind, "/v1.0/", min_page=2))), "read", tmp_path)
    check_rows(told, account, ("files",))
    assert told.sentences()["files"].startswith("amoCRM")
    assert told.rows()["files"] == {}


@pytest.mark.parametrize("kind", ["always_next", "repeated_page"])
def test_a_drive_that_never_ends(kind: str, tmp_path: Path) -> None:
    account = account_with(page_max=4, page_default=4)
    sandbox = Sandbox(account, faults=Faults(Fault(kind, "/v1.0/")))
    told = run(sandbox, "read", tmp_path)
    if kind == "always_next":
        check_rows(told, account)
    else:
        check_others(told, account, ENDLESS)
    assert asked(sandbox).count(LIST) < 60


def test_an_account_without_a_drive(tmp_path: Path) -> None:
    account = account_with(drive_url="absent")
    sandbox = Sandbox(account)
    told = run(sandbox, "read", tmp_path, ["files"])
    assert (told.code, told.sentences(), asked(sandbox)) == (0, {}, [FACTS])
    said = "INFO files: there are none in this account. The account names no host of files (drive_url)."
    assert told.said.count(said) == 1


@pytest.mark.parametrize(
    "url", ["https://drive.example.com", "http://drive-b.amocrm.ru", "https://evil.com/.amocrm.ru"]
)
def test_a_drive_elsewhere_gets_no_token_and_no_request(url: str, tmp_path: Path) -> None:
    sandbox = Sandbox(account_with(drive_url=url))
    told = run(sandbox, "read", tmp_path, ["files"])
    assert told.code == 1
    assert told.sentences() == {
        "files": "The account names a host of files (drive_url) that is not amoCRM's or Kommo's, so the token is not "
        "sent there. Leave the table out, and ask amoCRM's support about that address."
    }
    assert asked(sandbox) == [FACTS]


def test_a_test_server_stands_for_the_drive_too(tmp_path: Path) -> None:
    """Whatever address its account names."""
    account = Account.generate(seed=5, leads=60, switches=Switches(drive_url="https://drive.example.com"))
    with Server(account, rate=OFF) as server:
        given = files(tmp_path, config=server.config(), catalog=dumped(catalog(["files"])))
        told = run_process(["read", *given])
    account.switches.drive_url = "own"
    assert (told.code, told.rows()["files"]) == (0, comparison.by_key("files", expected.table(account, "files")))
    assert [seen.path for seen in server.log] == [FACTS[1], LIST[1]]
