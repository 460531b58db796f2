"""An invitation from the link to the account in the folder, and everything that must not get there."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.invite.button import AMOCRM, KOMMO, Button
from amocrm_fleet.invite.granted_account import Landing
from amocrm_fleet.invite.grants import LIFE, LONGEST_CODE, MOST_KEYS, MOST_PER_INVITATION, Grants
from amocrm_fleet.invite.invitations import DAY, FORGOTTEN_AFTER, Invitations
from amocrm_fleet.invite.invite_site import InvitationSite, PageAddress
from amocrm_fleet.locks import account_held
from sandbox import Server
from sandbox.external import Order
from source_amocrm.connect import signin
from source_amocrm.connect.connect_site import Request, Response
from source_amocrm.errors import Unauthorized
from source_amocrm.http.token_endpoint import HttpTokenEndpoint
from testing.connect_tools import DOMAIN, sandbox
from testing.http_tools import FakeClock
from testing.leaks import leaks

PUBLIC = "https://connect.example.com"
CLIENT = "0b0832f6-d123-4123-9123-e73f236833cf"


pytestmark = pytest.mark.usefixtures("hurried")


@dataclass
class World:
    """The page, the account, and a browser that can follow either to the other."""

    server: Server
    folder: Path
    clock: FakeClock = field(default_factory=lambda: FakeClock(1_800_000_000.0))
    pages: list[str] = field(default_factory=list)
    command: str = ""
    chat_texts: bool = False

    def __post_init__(self) -> None:
        self.invitations = Invitations(self.folder, self.clock)
        self.landing = Landing(
            self.folder, self.invitations, f"{PUBLIC}/callback", self.server.url, self.command, self.chat_texts
        )
        self.grants = Grants(self.clock)
        self.place = PageAddress(PUBLIC, 8766, f"{self.server.url}/oauth")
        self.site = InvitationSite(self.place, self.landing, self.grants)

    def send(self, method: str, url: str, body: bytes = b"", **headers: str) -> Response:
        """`_` in a header's name stands for `-`."""
        parts = urlsplit(url)
        sent = {"host": "connect.example.com", "accept-language": "en"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        response = self.site.handle(Request(method, parts.path, dict(parse_qsl(parts.query)), sent, {}, body))
        if response.headers.get("Content-Type", "").startswith("text/html"):
            self.pages.append(response.body.decode())
        return response

    def get(self, url: str) -> Response:
        """Follows redirects within the page."""
        response = self.send("GET", url)
        while response.status == 303:
            target = response.headers["Location"]
            assert target.startswith(f"{PUBLIC}/")
            response = self.send("GET", target)
            self.url = target
        return response

    def state(self, key: str) -> str:
        """The state of a new grant: the link is opened."""
        assert self.get(f"/i/{key}").status == 200
        return dict(parse_qsl(urlsplit(self.url).query))["state"]

    def post(self, **keys: object) -> tuple[int, Any]:
        response = self.send("POST", "/secrets", json.dumps(keys).encode())
        return response.status, json.loads(response.body)

    def keys(self, state: str, **changed: str) -> dict[str, str]:
        client = self.server.tokens.client
        client.redirect_uri = f"{PUBLIC}/callback"
        return {"client_id": client.client_id, "client_secret": client.client_secret, "state": state, **changed}

    def callback(self, state: str, **changed: str) -> str:
        answer = {"code": self.server.tokens.code(), "referer": DOMAIN, "state": state, "platform": "1", **changed}
        return f"/callback?{urlencode(answer)}"

    @property
    def landed(self) -> list[str]:
        """A file without a config is no account yet."""
        return sorted(path.name for path in self.folder.glob("*.json") if path.stat().st_size)

    def config(self, name: str = "example") -> dict[str, Any]:
        held: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text())
        return held


@pytest.fixture
def world(server: Server, tmp_path: Path) -> World:
    return World(server, tmp_path / "accounts")


def eventually(done: Callable[[], object]) -> None:
    """Returns once it is so, or after ten minutes."""
    until = time.monotonic() + 600
    while not done() and time.monotonic() < until:
        time.sleep(0.02)


def heading(response: Response) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", response.body.decode())
    assert found
    return unescape(found[1])


def problem(response: Response) -> str | None:
    found = re.search(r'data-problem="(\w+)"', response.body.decode())
    return found[1] if found else None


def test_the_page_asks_and_tells_before(world: World) -> None:
    response = world.get(f"/i/{world.invitations.new(7)}")
    text = unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", response.body.decode())))
    assert heading(response) == "Allow access to your account"
    assert "It only reads: nothing is changed in amoCRM." in text
    assert "amoCRM does not show the list of users to an integration made by this button" in text
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self' https://www.amocrm.ru; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "style-src-attr 'unsafe-inline'"
    )
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"


def test_the_page_speaks_russian(world: World) -> None:
    key = world.invitations.new(7)
    location = world.send("GET", f"/i/{key}").headers["Location"]
    russian = world.send("GET", location, accept_language="ru-RU")
    assert heading(russian) == "Разрешите доступ к аккаунту"
    assert heading(world.send("GET", f"{location}&lang=en", accept_language="ru-RU")) == (
        "Allow access to your account"
    )
    back = world.send("GET", f"{location.replace('/allow', '/callback')}&error=access_denied", accept_language="ru-RU")
    assert heading(back) == "Access was not allowed"


def test_what_the_button_says() -> None:
    button = Button(PUBLIC, AMOCRM)
    assert button.attributes("Connect", "st") == {
        "data-name": "source-amocrm",
        "data-description": "Reads the account for its owner's own database and changes nothing. "
        "Только читает данные аккаунта.",
        "data-redirect_uri": "https://connect.example.com/callback",
        "data-secrets_uri": "https://connect.example.com/secrets",
        "data-logo": "https://connect.example.com/static/icon.svg",
        "data-scopes": "crm,files",
        "data-title": "Connect",
        "data-compact": "false",
        "data-color": "blue",
        "data-state": "st",
        "data-mode": "popup",
    }
    address = urlsplit(button.address("st"))
    assert (address.netloc, address.path) == ("www.amocrm.ru", "/oauth")
    assert parse_qsl(address.query) == [
        ("state", "st"),
        ("mode", "post_message"),
        ("origin", PUBLIC),
        ("name", "source-amocrm"),
        ("description", button.attributes("", "")["data-description"]),
        ("redirect_uri", "https://connect.example.com/callback"),
        ("secrets_uri", "https://connect.example.com/secrets"),
        ("logo", "https://connect.example.com/static/icon.svg"),
        ("scopes[]", "crm"),
        ("scopes[]", "files"),
    ]
    assert Button(PUBLIC, KOMMO).address("st").startswith("https://www.kommo.com/oauth?")


def test_the_texts_of_chats_are_asked_for_only_if_wanted(tmp_path: Path) -> None:
    for wanted, granted in (False, "no scope"), (True, "served"), (True, "no scope"):
        with sandbox(chat_texts=granted) as server:
            world = World(server, tmp_path / f"{wanted}-{granted}", chat_texts=wanted)
            state = world.state(world.invitations.new(7))
            ask = world.pages[-1]
            assert ("crm,files,list_external_messages" in ask, "scopes%5B%5D=list_external_messages" in ask) == (
                wanted,
                wanted,
            )
            assert ("It also reads what was written in chats." in ask) is wanted
            world.post(**world.keys(state))
            landed = world.get(world.callback(state))
            lacks = "Access to the texts of chats was not allowed" in landed.body.decode()
            assert (landed.status, lacks) == (200, wanted and granted == "no scope")
            assert world.config().get("chat_texts", False) is wanted


def test_keys_and_then_the_code(world: World) -> None:
    key = world.invitations.new(7)
    state = world.state(key)
    assert world.post(**world.keys(state)) == (200, {"status": "ok"})
    response = world.get(world.callback(state))
    assert (response.status, heading(response), problem(response)) == (200, world.server.sandbox.account.name, None)
    config = world.config()
    assert config["account_domain"] == DOMAIN
    assert config["credentials"]["redirect_uri"] == f"{PUBLIC}/callback"
    assert (world.folder / "example.json").stat().st_mode & 0o777 == 0o600
    assert heading(world.send("GET", f"/i/{key}")) == "This invitation has been used"


def test_the_code_and_then_the_keys(world: World) -> None:
    state = world.state(world.invitations.new(7))
    assert heading(world.get(world.callback(state))) == "One moment …"
    assert world.landed == []
    assert world.post(**world.keys(state)) == (200, {"status": "ok"})
    # the browser was closed: nobody asks, and the account lands all the same
    eventually(lambda: world.landed == ["example.json"])
    assert world.config()["credentials"]["client_id"] == world.server.tokens.client.client_id
    assert heading(world.get(f"/wait?state={state}")) == world.server.sandbox.account.name


def test_keys_twice_are_no_harm_and_other_keys_are_refused(world: World) -> None:
    state = world.state(world.invitations.new(7))
    keys = world.keys(state)
    assert world.post(**keys)[0] == 200
    assert world.post(**keys)[0] == 200
    assert world.post(**{**keys, "client_secret": "another-secret-of-this-id"}) == (
        409,
        {"status": "There are other keys for this state already"},
    )
    others = [f"0b0832f6-d123-4123-9123-e73f2368{number:04x}" for number in range(MOST_KEYS)]
    assert [world.post(**{**keys, "client_id": one})[0] for one in others] == [200] * (MOST_KEYS - 1) + [409]
    # the redirect names the integration that its code is for
    world.get(world.callback(state, client_id=keys["client_id"]))
    assert world.config()["credentials"]["client_secret"] == keys["client_secret"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"client_id": CLIENT, "client_secret": "x" * 40, "state": "forged"}, 404),
        ({"client_id": CLIENT, "client_secret": "x" * 40}, 404),
        ({"client_id": CLIENT, "client_secret": "x" * 40, "state": ["a"]}, 404),
        ({"client_id": "nonsense", "client_secret": "x" * 40, "state": "STATE"}, 400),
        ({"client_id": CLIENT, "client_secret": "", "state": "STATE"}, 400),
        ({"client_id": CLIENT, "state": "STATE"}, 400),
        ({}, 404),
    ],
)
def test_forged_keys_are_refused(world: World, sent: dict[str, Any], status: int) -> None:
    state = world.state(world.invitations.new(7))
    given = {name: state if value == "STATE" else value for name, value in sent.items()}
    assert world.post(**given)[0] == status
    assert heading(world.get(world.callback(state))) == "One moment …"
    assert world.landed == []


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"[" * 60_000, b"\xff\xfe", b'"text"'])
def test_a_body_that_is_no_document_is_refused(world: World, body: bytes) -> None:
    assert world.send("POST", "/secrets", body).status == 404


@pytest.mark.parametrize("referer", ["evil.com", "amocrm.ru.evil.com", "", "www.amocrm.ru", "a.b.amocrm.ru"])
def test_the_keys_go_to_amocrm_alone(world: World, referer: str) -> None:
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    asked = len(world.server.log)
    assert problem(world.get(world.callback(state, referer=referer))) == "foreign_referer"
    assert (world.landed, len(world.server.log)) == ([], asked)


def test_another_account_than_the_invited_one(world: World) -> None:
    key = world.invitations.new(7, account="other.amocrm.ru")
    state = world.state(key)
    world.post(**world.keys(state))
    assert problem(world.get(world.callback(state))) == "not_the_invited_account"
    assert world.landed == []
    # the invitation is as good as before
    assert world.get(f"/i/{key}").status == 200


def test_a_code_of_another_account_does_not_land(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    assert problem(world.get(world.callback(state, code="def502of-another"))) == "grant_refused"
    assert world.landed == []
    told = capsys.readouterr().err
    assert told.startswith(
        f"source-amocrm invite: {DOMAIN} was allowed and is not connected. This code was not given to "
    )


@pytest.mark.parametrize("query", ["", "state=", "state=forged", "state=forged&code=x&referer=a.amocrm.ru"])
def test_an_answer_to_no_question(world: World, query: str) -> None:
    for path in ("/callback", "/wait", "/allow"):
        response = world.send("GET", f"{path}?{query}")
        assert (response.status, heading(response)) == (410, "This answer came too late")


def test_a_grant_ends(world: World) -> None:
    state = world.state(world.invitations.new(7))
    world.clock.sleep(LIFE)
    assert world.post(**world.keys(state)) == (404, {"status": "This state is not known, or no longer"})
    assert world.send("GET", world.callback(state)).status == 410


def test_an_invitation_ends(world: World) -> None:
    key = world.invitations.new(1)
    state = world.state(key)
    world.clock.sleep(86_400 - 60)
    late = world.state(key)
    world.clock.sleep(60)
    assert heading(world.send("GET", f"/i/{key}")) == "This invitation is over"
    assert world.send("GET", f"/allow?state={late}").status == 410
    world.post(**world.keys(late))
    assert problem(world.get(world.callback(late))) == "invitation_spent"
    assert (world.landed, state != late) == ([], True)


def test_an_invitation_connects_one_account(world: World) -> None:
    key = world.invitations.new(7)
    first, second = world.state(key), world.state(key)
    world.post(**world.keys(first))
    world.get(world.callback(first))
    (world.folder / "example.json").rename(world.folder / "kept.json")
    world.post(**world.keys(second))
    assert problem(world.get(world.callback(second))) == "invitation_spent"
    assert world.landed == ["kept.json"]
    assert world.send("GET", f"/allow?state={second}").status == 410


def test_a_replayed_answer_changes_nothing(world: World) -> None:
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    answer = world.callback(state)
    world.get(answer)
    before, exchanges = world.config(), world.server.tokens.exchanges
    assert heading(world.get(answer)) == world.server.sandbox.account.name
    assert (world.config(), world.server.tokens.exchanges) == (before, exchanges)


def test_access_that_is_refused(world: World) -> None:
    key = world.invitations.new(7)
    state = world.state(key)
    assert heading(world.get(f"/callback?error=access_denied&state={state}")) == "Access was not allowed"
    opened = world.get(f"/i/{key}")
    assert opened.status == 200
    assert heading(world.get(f"/wait?state={state}")) == heading(opened)
    assert world.url == f"{PUBLIC}/allow?state={state}"


@pytest.mark.parametrize("host", ["", "evil.com", "connect.example.com.evil.com", "connect.example.com:8080"])
def test_other_hosts_are_refused(world: World, host: str) -> None:
    response = world.send("GET", f"/i/{world.invitations.new(7)}", host=host)
    assert (response.status, response.headers.get("Location")) == (403, None)


@pytest.mark.parametrize("path", ["/", "/i/", "/i/x", "/settings", "/static/../cli.py", "/static/nothing", "/start"])
def test_there_is_nothing_else(world: World, path: str) -> None:
    response = world.send("GET", path)
    assert (response.status, heading(response)) == (404, "There is no such invitation")
    assert world.send("POST", path).status == 404


def test_what_was_set_for_the_account_stays_and_another_account_keeps_its_name(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "example.json").write_text(json.dumps({"account_domain": DOMAIN, "start_date": "2024-01-01"}))
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    world.get(world.callback(state))
    assert world.config()["start_date"] == "2024-01-01"

    # what was being written when the machine died is newer
    (world.folder / ".example.json.new").write_text(json.dumps({"account_domain": DOMAIN, "start_date": "2025-01-01"}))
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    world.get(world.callback(state))
    assert world.config()["start_date"] == "2025-01-01"

    (world.folder / "example.json").write_text(json.dumps({"account_domain": "example.kommo.com"}))
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    world.get(world.callback(state))
    assert world.config() == {"account_domain": "example.kommo.com"}
    assert world.config("example-amocrm-ru")["account_domain"] == DOMAIN


def test_an_account_that_is_there_under_another_name_is_renewed_under_it(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "firm.json").write_text(json.dumps({"account_domain": DOMAIN, "start_date": "2024-01-01"}))
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    assert problem(world.get(world.callback(state))) is None
    assert world.config("firm")["start_date"] == "2024-01-01"
    assert "credentials" in world.config("firm")
    assert [path.name for path in world.folder.glob("*.json")] == ["firm.json"]


def test_an_account_that_cannot_be_kept_leaves_the_invitation(world: World) -> None:
    key = world.invitations.new(7)
    state = world.state(key)
    world.post(**world.keys(state))
    (world.folder / "example.json").mkdir()
    (world.folder / "example-amocrm-ru.json").mkdir()
    assert problem(world.get(world.callback(state))) == "account_not_kept"
    assert world.get(f"/i/{key}").status == 200


def test_a_command_gets_the_config(server: Server, tmp_path: Path) -> None:
    world = World(server, tmp_path / "accounts", command=f"cp -t {tmp_path}")
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    world.get(world.callback(state))
    given = tmp_path / "example.json"
    eventually(lambda: given.exists() and given.stat().st_size)
    assert json.loads(given.read_text()) == world.config()


def test_users_are_told_after(tmp_path: Path) -> None:
    with sandbox(forbidden=frozenset({"users"})) as server:
        world = World(server, tmp_path)
        state = world.state(world.invitations.new(7))
        world.post(**world.keys(state))
        page = world.get(world.callback(state)).body.decode()
    assert "amoCRM does not show the list of users to an integration made by this button" in page


def test_a_link_that_is_looked_at_often_fills_nothing(world: World) -> None:
    key = world.invitations.new(7)
    states = [world.state(key) for _ in range(MOST_PER_INVITATION + 5)]
    kept = [state for state in states if world.send("GET", f"/allow?state={state}").status == 200]
    assert kept == states[5:]


@pytest.mark.parametrize("order", ["secrets_first", "secrets_twice"])
def test_no_page_shows_a_secret(world: World, order: Order) -> None:
    state = world.state(world.invitations.new(7))
    for _ in range(2 if order == "secrets_twice" else 1):
        world.post(**world.keys(state))
    world.get(world.callback(state))
    assert [line for page in world.pages for line in leaks(page)] == []


def test_the_file_of_invitations_opens_none(world: World) -> None:
    keys = [world.invitations.new(7) for _ in range(3)]
    file = world.folder / ".fleet" / "invitations.sqlite"
    assert [key for key in keys if key.encode() in file.read_bytes()] == []
    assert file.stat().st_mode & 0o777 == 0o600
    # another process goes on with them
    assert all(World(world.server, world.folder).get(f"/i/{key}").status == 200 for key in keys)


def test_what_is_refused_is_not_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a link can send secrets and codes of his own without end."""
    remembered: list[str] = []
    monkeypatch.setattr(signin, "add_to_secrets", remembered.append)
    state = world.state(world.invitations.new(7))
    keys = world.keys(state)
    world.post(**keys)
    for number in range(50):
        assert world.post(**{**keys, "client_secret": f"another-secret-{number}"})[0] == 409
    assert world.post(**{**keys, "client_secret": "x" * (signin.LONGEST_KEY + 1)})[0] == 400
    assert world.send("GET", world.callback(state, code="x" * (LONGEST_CODE + 1))).status == 400
    assert problem(world.get(world.callback(state, code="def502of-another"))) == "grant_refused"
    assert remembered == []


def test_an_answer_that_quotes_a_secret_is_not_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    state = world.state(world.invitations.new(7))
    keys, code = world.keys(state), "def502-a-code-of-another-integration"
    world.post(**keys)

    def refused(*_: object, **__: object) -> None:
        raise Unauthorized(f"Unauthorized: {code[3:30]} is not a code of {keys['client_id']}")

    monkeypatch.setattr(HttpTokenEndpoint, "exchange", refused)
    response = world.get(world.callback(state, code=code))
    assert problem(response) == "grant_refused"
    assert code[3:30] not in response.body.decode()


@pytest.mark.parametrize("other", ["an old config.json", "north.kommo.com.json", f"{'a' * 41}.json", "север.json"])
def test_a_file_with_a_bad_name_stops_no_landing(world: World, other: str, capsys: pytest.CaptureFixture[str]) -> None:
    world.folder.mkdir()
    (world.folder / other).write_text(json.dumps({"account_domain": "other.amocrm.ru"}))
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    assert problem(world.get(world.callback(state))) is None
    assert world.config()["account_domain"] == DOMAIN
    assert capsys.readouterr().err == (
        f"source-amocrm invite: {DOMAIN} is connected: {world.folder / 'example.json'}.\n"
    )


def test_what_the_folder_holds_is_told_to_the_operator_alone_and_before_the_code_is_spent(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.folder.mkdir()
    (world.folder / "Example.json").write_text(json.dumps({"account_domain": "secret-customer.amocrm.ru"}))
    (world.folder / "example-amocrm-ru.json").write_text(json.dumps({"account_domain": "another.amocrm.ru"}))
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    response = world.get(world.callback(state))
    assert problem(response) == "account_not_kept"
    assert [word for word in ("Example", "customer", str(world.folder)) if word in response.body.decode()] == []
    assert world.server.tokens.exchanges == 0
    assert capsys.readouterr().err == (
        f"source-amocrm invite: {DOMAIN} was allowed and could not be kept. The accounts “Example” and “example” of "
        f"{world.folder} would write the same tables, amocrm_example_…. Rename one of them.\n"
    )


def test_an_address_is_the_same_account_however_it_was_typed(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "example.json").write_text(json.dumps({"account_domain": "example", "start_date": "2024-01-01"}))
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    world.get(world.callback(state))
    assert world.landed == ["example.json"]
    assert world.config()["start_date"] == "2024-01-01"


def test_a_long_address_lands_under_a_shorter_name(world: World) -> None:
    label = "a-very-long-address-of-a-company-that-sells-bricks"
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    assert problem(world.get(world.callback(state, referer=f"{label}.amocrm.ru"))) is None
    [name] = world.landed
    assert re.fullmatch(r"a-very-long-address-of-a-compan-[0-9a-f]{8}\.json", name)
    assert world.config(name.removesuffix(".json"))["account_domain"] == f"{label}.amocrm.ru"


def test_a_landing_waits_for_a_sync_of_the_account(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written after the sync, which kept a start date meanwhile."""
    world.folder.mkdir()
    config = world.folder / "example.json"
    config.write_text(json.dumps({"account_domain": DOMAIN}))
    syncing = ExitStack()
    syncing.enter_context(account_held(FleetAccount(config)))
    tries: list[FleetAccount] = []

    def held(account: FleetAccount) -> AbstractContextManager[int]:
        tries.append(account)
        if len(tries) == 2:
            config.write_text(json.dumps({"account_domain": DOMAIN, "start_date": "2025-01-01"}))
            syncing.close()
        return account_held(account)

    monkeypatch.setattr("amocrm_fleet.invite.granted_account.account_held", held)
    state = world.state(world.invitations.new(7))
    world.post(**world.keys(state))
    world.get(world.callback(state))
    assert tries == [FleetAccount(config)] * 2
    assert world.config()["start_date"] == "2025-01-01"
    assert world.config()["credentials"]["client_id"] == world.server.tokens.client.client_id


def test_no_request_waits_for_amocrm(server: Server, tmp_path: Path) -> None:
    """An account lands by a call of its own, once, however often its page looks."""
    world = World(server, tmp_path / "accounts")
    begun: list[Callable[[], None]] = []
    world.site = InvitationSite(world.place, world.landing, world.grants, run=begun.append)
    key = world.invitations.new(7)
    first, second = world.state(key), world.state(key)
    for state in (first, second):
        world.post(**world.keys(state))
        assert heading(world.get(world.callback(state))) == "One moment …"
    assert heading(world.get(f"/wait?state={first}")) == "One moment …"
    assert len(begun) == 1, "one at a time of one invitation"
    begun[0]()
    assert heading(world.get(f"/wait?state={first}")) == world.server.sandbox.account.name
    assert heading(world.get(f"/wait?state={second}")) == "One moment …"
    begun[1]()
    assert problem(world.get(f"/wait?state={second}")) == "invitation_spent"


def test_a_damaged_file_of_invitations_is_a_sentence(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    key = world.invitations.new(7)
    file = world.folder / ".fleet" / "invitations.sqlite"
    file.write_bytes(b"{" * 4096)
    response = world.send("GET", f"/i/{key}")
    assert (response.status, heading(response)) == (503, "The page cannot answer now")
    assert str(world.folder) not in response.body.decode()
    assert capsys.readouterr().err == (
        f"source-amocrm invite: The file of invitations {file} is damaged (file is not a database). Put back a copy of "
        "it, or move it away: then the links that were sent stop working, and new ones are needed.\n"
    )


def test_the_folder_is_its_owners_alone(world: World) -> None:
    world.folder.mkdir(mode=0o755)
    world.invitations.new(7)
    assert [path.stat().st_mode & 0o777 for path in (world.folder, world.folder / ".fleet")] == [0o700, 0o700]
    fresh = world.folder.parent / "fresh" / "accounts"
    Invitations(fresh).new(7)
    assert fresh.stat().st_mode & 0o777 == 0o700


def test_invitations_that_ended_long_ago_go(world: World) -> None:
    old = world.invitations.new(1)
    world.clock.sleep(DAY + FORGOTTEN_AFTER - 1)
    world.invitations.new(1)
    assert world.send("GET", f"/i/{old}").status == 410
    world.clock.sleep(2)
    world.invitations.new(1)
    assert world.send("GET", f"/i/{old}").status == 404
    assert len(world.invitations.all()) == 2


def test_a_revoked_invitation_is_useless(world: World) -> None:
    by_link, by_id, other = (world.invitations.new(days) for days in (1, 2, 3))
    state = world.state(by_link)
    world.post(**world.keys(state))
    [_, (shown, _), _] = world.invitations.all()
    assert world.invitations.revoke(f"{PUBLIC}/i/{by_link}")
    assert world.invitations.revoke(shown)
    assert not world.invitations.revoke(shown)
    assert problem(world.get(world.callback(state))) == "invitation_spent"
    assert [world.send("GET", f"/i/{key}").status for key in (by_link, by_id, other)] == [404, 404, 303]


def test_the_page_says_who_invites_and_whom(world: World) -> None:
    response = world.get(f"/i/{world.invitations.new(7, label='ООО <Ромашка>', sender='Agency & Co')}")
    text = unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", response.body.decode())))
    assert "ООО <Ромашка> Allow access to your account Agency & Co invites you to connect your amoCRM account" in text
