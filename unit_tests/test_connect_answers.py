"""What amoCRM and a person may answer on the way to a token, and the one sentence for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox import Server
from testing.connect_tools import CALLBACK, DOMAIN, answer, flow, ready, refused
from testing.http_server import serve
from testing.http_tools import jwt

pytestmark = pytest.mark.usefixtures("hurried")


def test_a_wrong_state_leaves_the_question_open(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    good = answer(server, made)
    assert refused(made, {**good, "state": "forged"}).key == "wrong_state"
    assert server.log == []
    made.take(good)
    assert made.settings is not None


@pytest.mark.parametrize("forged", [{"error": "access_denied"}, {"error": "x", "state": "forged"}, {"state": ""}, {}])
def test_what_another_site_sends_does_not_end_a_grant(server: Server, tmp_path: Path, forged: dict[str, str]) -> None:
    made = ready(server, tmp_path)
    good = answer(server, made)
    assert refused(made, forged).key in ("wrong_state", "unproven_refusal")
    made.take(good)
    assert made.settings is not None


def test_an_answer_is_taken_once(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    good = answer(server, made)
    made.take(good)
    assert refused(made, good).key == "wrong_state"
    assert made.settings is not None


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"error": "access_denied"}, "refused"),
        ({"referer": "other.amocrm.ru"}, "other_account"),
        ({"referer": "evil.example.com"}, "foreign_referer"),
        ({"code": ""}, "no_code"),
    ],
)
def test_an_answer_that_is_not_believed_sends_no_secret(
    server: Server, tmp_path: Path, changed: dict[str, str], key: str
) -> None:
    made = ready(server, tmp_path)
    assert refused(made, answer(server, made, **changed)).key == key
    assert server.log == []
    assert (made.step, made.state) == ("access", "")


def test_an_expired_code(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    server.tokens.lifetimes.code = -1
    problem = refused(made, answer(server, made))
    assert (problem.key, made.step) == ("code_expired", "access")
    assert "Authorization code has expired" in problem.detail


def test_a_used_code(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    code = server.tokens.code()
    made.take(code)
    assert refused(made, code).key == "code_used"


def test_a_code_that_was_not_copied_whole(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    assert refused(made, server.tokens.code()[:-5]).key == "not_issued"


@pytest.mark.parametrize(
    "keys",
    [
        {"client_secret": "wrong"},
        {"client_id": "00000000-0000-0000-0000-000000000000"},
        {"redirect_uri": "http://localhost:8765/callback/"},
    ],
)
def test_another_integration(server: Server, tmp_path: Path, keys: dict[str, str]) -> None:
    made = ready(server, tmp_path, **keys)
    assert refused(made, answer(server, made)).key == "unknown_integration"


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"hint":"Invalid redirect URI","status":400}', "other_redirect_uri"),
        (b'{"hint":"Check the `scope` parameter","status":400}', "exchange_refused"),
    ],
)
def test_other_refusals_of_the_token_endpoint(server: Server, tmp_path: Path, body: bytes, key: str) -> None:
    with serve(lambda connection, _: connection.json(body, "400 Bad Request")) as endpoint:
        made = ready(server, tmp_path)
        made.api_base_url = endpoint.url
        assert refused(made, "def502").key == key
        sent = json.loads(endpoint.bodies[0])
    assert sent == {
        "client_id": server.tokens.client.client_id,
        "client_secret": server.tokens.client.client_secret,
        "grant_type": "authorization_code",
        "code": "def502",
        "redirect_uri": CALLBACK,
    }


def test_no_network(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    code = server.tokens.code()
    server.stop()
    problem = refused(made, code)
    assert (problem.key, problem.params) == ("unreachable", {"host": DOMAIN})


def test_a_code_needs_keys(server: Server, tmp_path: Path) -> None:
    made = flow(server, tmp_path)
    made.choose_account(DOMAIN, "token")
    made.install()
    assert refused(made, server.tokens.code()).key == "code_without_keys"


def test_a_token_that_has_ended(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    problem = refused(made, jwt(exp=1_700_000_000, account_id=1))
    assert (problem.key, problem.params, problem.at) == ("token_expired", {"day": "2023-11-14"}, "pasted")


def test_a_token_of_another_service(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    problem = refused(made, jwt(exp=4_000_000_000, base_domain="kommo.com"))
    assert (problem.key, problem.params) == ("token_other_service", {"domain": DOMAIN})
