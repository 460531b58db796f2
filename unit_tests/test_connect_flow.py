"""The four steps against an account: its token endpoint, its consent, its lists."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox import Server
from source_amocrm.config import OAuth, parse_config
from source_amocrm.connect.connect_flow import Flow
from source_amocrm.connect.connect_words import Problem
from source_amocrm.streams import STREAMS
from testing.connect_tools import CALLBACK, DOMAIN, SECRET, answer, flow, ready
from testing.http_tools import jwt

pytestmark = pytest.mark.usefixtures("hurried")


def fails(made: Flow) -> Problem:
    with pytest.raises(Problem) as caught:
        made.check()
    assert SECRET not in f"{caught.value.params} {caught.value.detail}"
    return caught.value


def with_token(server: Server, folder: Path, token: str | None = None) -> Flow:
    made = flow(server, folder)
    made.choose_account(DOMAIN, "token")
    made.install()
    made.take(token or server.tokens.long_lived())
    return made


def test_from_nothing_to_settings_by_oauth(server: Server, tmp_path: Path) -> None:
    made = flow(server, tmp_path)
    assert made.step == "account"
    made.choose_account(" https://Example.amocrm.ru/leads/ ", "oauth")
    assert (made.step, made.domain) == ("integration", DOMAIN)
    client = server.tokens.client
    made.install(f" {client.client_id} ", client.client_secret, CALLBACK)
    assert (made.step, made.catches) == ("access", True)
    asked = urlsplit(made.begin_consent())
    assert (asked.path, parse_qs(asked.query)) == (
        "/oauth",
        {"client_id": [client.client_id], "state": [made.state], "mode": ["post_message"]},
    )
    made.take(answer(server, made))
    assert (made.step, made.verdict, made.saved) == ("result", None, False)
    made.check()
    assert made.verdict is not None
    assert (made.verdict.name, made.domain) == ("ООО «Северный ветер»", DOMAIN)
    assert made.verdict.account_id == server.account.id
    assert (set(made.verdict.readable), made.verdict.refused) == (set(STREAMS), {})
    assert (made.verdict.filter_works, made.verdict.expires, made.verdict.expires_soon) == (True, None, False)
    made.save()
    file = tmp_path / "config.json"
    written = json.loads(file.read_text(encoding="utf-8"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(written) == ["account_domain", "api_base_url", "credentials"]
    parsed = parse_config(written)
    given = parsed.credentials
    assert isinstance(given, OAuth)
    assert (given.client_id, given.client_secret) == (client.client_id, client.client_secret)
    assert given.redirect_uri == CALLBACK
    now = server.account.clock.now()
    assert given.expires_at is not None
    assert now + 86_000 < given.expires_at <= now + 86_400
    assert server.tokens.exchanges == 1


def test_from_nothing_to_settings_by_a_long_lived_token(server: Server, tmp_path: Path) -> None:
    token = server.tokens.long_lived()
    made = with_token(server, tmp_path, token)
    made.check()
    made.save()
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "account_domain": DOMAIN,
        "api_base_url": server.url,
        "credentials": {"auth_type": "long_lived_token", "access_token": token},
    }
    assert made.verdict is not None
    assert made.verdict.expires is not None
    assert not made.verdict.expires_soon
    assert server.tokens.exchanges == 0


def test_a_pasted_code(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    made.take(server.tokens.code())
    made.check()
    assert made.verdict is not None


def test_a_long_lived_token_will_do_where_a_code_was_expected(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    made.take(server.tokens.long_lived())
    made.check()
    assert made.settings is not None
    assert made.settings["credentials"]["auth_type"] == "long_lived_token"


@pytest.mark.parametrize(
    ("address", "way", "key", "at"),
    [
        ("", "token", "account_address", "address"),
        ("example.com", "token", "account_address", "address"),
        ("www.amocrm.ru", "oauth", "account_address", "address"),
        (None, "oauth", "account_address", "address"),
        (DOMAIN, "", "no_way", "way"),
    ],
)
def test_an_account_that_cannot_be(server: Server, tmp_path: Path, address: Any, way: str, key: str, at: str) -> None:
    made = flow(server, tmp_path)
    with pytest.raises(Problem) as caught:
        made.choose_account(address, way)
    assert (caught.value.key, caught.value.at, made.step) == (key, at, "account")


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_id": "two words"}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"redirect_uri": "localhost"}, "redirect_uri"),
    ],
)
def test_keys_that_cannot_be(server: Server, tmp_path: Path, keys: dict[str, str], at: str) -> None:
    with pytest.raises(Problem) as caught:
        ready(server, tmp_path, **keys)
    assert (caught.value.key, caught.value.at) == (at, at)


def test_a_secret_key_is_typed_once(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    made.install(server.tokens.client.client_id, "", "https://example.com/")
    assert made.keys is not None
    assert made.keys.client_secret == server.tokens.client.client_secret
    assert not made.catches
    assert SECRET not in repr(made)
    made.choose_account("other.amocrm.ru", "oauth")
    assert made.keys is None


def test_a_network_that_fails_at_the_check_costs_no_grant(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    made.take(answer(server, made))
    whole = made.settings
    made.settings = {**(whole or {}), "api_base_url": "http://127.0.0.1:9"}
    assert fails(made).key == "unreachable"
    assert made.step == "result"
    made.settings = whole
    made.check()
    assert made.verdict is not None


def test_a_token_that_is_not_accepted(server: Server, tmp_path: Path) -> None:
    made = with_token(server, tmp_path, jwt(exp=4_000_000_000, account_id=server.account.id))
    assert fails(made).key == "token_rejected"
    assert made.step == "access"


def test_a_token_of_another_account(server: Server, tmp_path: Path) -> None:
    made = with_token(server, tmp_path)
    server.account.id += 1
    problem = fails(made)
    assert (problem.key, made.step) == ("token_other_account", "access")


def test_a_token_that_ends_soon(server: Server, tmp_path: Path) -> None:
    made = with_token(server, tmp_path, server.tokens.long_lived(days=13))
    made.check()
    assert made.verdict is not None
    assert made.verdict.expires_soon


def test_rights_that_are_missing(server: Server, tmp_path: Path) -> None:
    server.account.switches.forbidden = frozenset({"users", "tasks"})
    made = with_token(server, tmp_path)
    made.check()
    assert made.verdict is not None
    assert made.verdict.refused == {("users", "tasks"): "no_rights"}
    assert set(made.verdict.readable) == set(STREAMS) - {"users", "tasks"}


def test_no_rights_at_all(server: Server, tmp_path: Path) -> None:
    server.account.switches.forbidden = frozenset({"leads", "contacts", "companies", "tasks", "events", "users"})
    made = with_token(server, tmp_path)
    assert fails(made).key == "no_rights"


def test_an_account_that_is_not_paid(server: Server, tmp_path: Path) -> None:
    server.account.switches.unpaid = True
    made = with_token(server, tmp_path)
    assert fails(made).key == "unpaid"
    assert made.step == "result"


def test_a_filter_that_is_off(server: Server, tmp_path: Path) -> None:
    server.account.switches.filter_enabled = False
    made = with_token(server, tmp_path)
    made.check()
    assert made.verdict is not None
    assert not made.verdict.filter_works


def test_a_check_never_rotates_a_token(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = ready(server, tmp_path)
    made.take(answer(server, made))
    assert made.settings is not None
    server.tokens.revoke(made.settings["credentials"]["access_token"])
    assert fails(made).key == "token_rejected"
    assert server.tokens.exchanges == 1
    assert capsys.readouterr().out == ""


def test_a_file_that_is_there_is_asked_about(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"account_domain": DOMAIN, "start_date": "2024-01-01", "credentials": {}}))
    made = with_token(server, tmp_path)
    with pytest.raises(Problem) as caught:
        made.save()
    assert (caught.value.key, made.saved) == ("file_exists", False)
    made.save(replace=True)
    written = json.loads(file.read_text())
    assert (written["start_date"], written["credentials"]["auth_type"]) == ("2024-01-01", "long_lived_token")


def test_granting_again_starts_from_the_file(server: Server, tmp_path: Path) -> None:
    settings = server.config(oauth=True)
    (tmp_path / "config.json").write_text(json.dumps(settings))
    made = flow(server, tmp_path)
    assert (made.domain, made.way, made.step, made.installed) == (DOMAIN, "oauth", "integration", False)
    assert made.keys is not None
    assert made.keys.client_secret == server.tokens.client.client_secret
    made.choose_account(DOMAIN, "oauth")
    made.install(made.keys.client_id, "", made.keys.redirect_uri)
    made.take(answer(server, made))
    made.check()


def test_keys_in_the_file_that_cannot_be_right_are_asked_for(server: Server, tmp_path: Path) -> None:
    text = json.dumps(server.config(oauth=True)).replace(server.tokens.client.client_id, "typed-by-hand")
    (tmp_path / "config.json").write_text(text)
    made = flow(server, tmp_path)
    assert (made.domain, made.way, made.step, made.keys) == (DOMAIN, "oauth", "integration", None)
