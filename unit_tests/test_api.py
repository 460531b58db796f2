"""Everything together against a server on loopback whose tokens live for a few requests only."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from source_amocrm.auth.bearer import LongLivedTokenAuthenticator
from source_amocrm.config import parse_config
from source_amocrm.errors import Blocked, Unauthorized, print_error
from source_amocrm.http import open_api
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.session import AmocrmSession
from testing.http_server import Connection, serve
from testing.http_tools import NOW, jwt, long_lived, oauth, turn_of

HASTY = RetryPolicy(first_delay=0.001, longest_delay=0.001)


class Account:
    """Each pair of tokens serves `life` requests; a refresh token works once."""

    def __init__(self, life: int) -> None:
        self.life = life
        self.pair = 0
        self.left = 0
        self.exchanges: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, conn: Connection, head: str) -> bool:
        path = head.split(" ")[1]
        with self._lock:
            if path == "/oauth2/access_token":
                return self._exchange(conn)
            if f"Bearer access-{self.pair:04}\r\n" not in head or self.left == 0:
                return conn.json(b'{"title": "Unauthorized", "status": 401}', "401 Unauthorized")
            self.left -= 1
        return conn.json(json.dumps({"path": path}).encode())

    def _exchange(self, conn: Connection) -> bool:
        self.pair, self.left = self.pair + 1, self.life
        self.exchanges.append(f"refresh-{self.pair - 1:04}")
        pair = {
            "expires_in": 86400,
            "access_token": f"access-{self.pair:04}",
            "refresh_token": f"refresh-{self.pair:04}",
        }
        return conn.json(json.dumps(pair).encode())


def test_many_threads_and_short_lived_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    account = Account(life=40)
    with serve(account) as server:
        raw: dict[str, Any] = {**oauth(), "api_base_url": server.url, "requests_per_second": 50}
        api = open_api(parse_config(raw), raw, HASTY)
        api.budget.per_second = 10**9
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda n: api.get("/api/v4/leads", {"page": n}), range(300)))
    assert [answer.body for answer in answers] == [{"path": f"/api/v4/leads?page={n}"} for n in range(300)]
    spent = [json.loads(body)["refresh_token"] for body in server.bodies if body]
    assert spent == account.exchanges == [f"refresh-{n:04}" for n in range(account.pair)]
    messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kept = [one["control"]["connectorConfig"]["config"]["credentials"]["refresh_token"] for one in messages]
    assert kept == [f"refresh-{n:04}" for n in range(1, account.pair + 1)]
    assert raw["credentials"]["refresh_token"] == kept[-1]
    assert all("refresh-" not in head for head in server.heads)


def test_a_long_lived_token() -> None:
    with serve(lambda conn, _: conn.json(b'{"id": 5}')) as server:
        raw = long_lived(api_base_url=server.url)
        api = open_api(parse_config(raw), raw, HASTY)
        assert isinstance(api.auth, LongLivedTokenAuthenticator)
        assert api.get("/api/v4/account").body == {"id": 5}


def test_each_account_has_a_pace_of_its_own() -> None:
    """What stops one of them stops no other."""
    raws = [long_lived(requests_per_second=rate) for rate in (7, 50)]
    one, other = (open_api(parse_config(raw), raw, HASTY).budget for raw in raws)
    assert (one.per_second, other.per_second) == (7, 50)
    one.pause(3_600)
    one.shut(Blocked("blocked", status=403))
    with turn_of(other) as request:
        other.departed(request)
    assert other.waited < 1


def test_a_token_expires_by_the_session_s_clock() -> None:
    """Not by the machine's, which may show another year than the account's."""
    account = Account(life=1)
    with serve(account) as server:
        for raw in (
            long_lived(jwt(exp=NOW + 1), api_base_url=server.url),
            {**oauth(access_token=jwt(exp=NOW + 600)), "api_base_url": server.url},
        ):
            session = AmocrmSession(Budget(1000), HASTY, wall=lambda: NOW)
            api = open_api(parse_config(raw), raw, session=session)
            assert api.auth.get_access_token() == raw["credentials"]["access_token"]
    assert (account.exchanges, server.heads) == ([], [])


def test_a_block_met_by_the_exchange_stops_the_api_too() -> None:
    with serve(lambda conn, _: conn.json(b"<html>nginx</html>", "403 Forbidden")) as server:
        raw: dict[str, Any] = {**oauth(), "api_base_url": server.url}
        api = open_api(parse_config(raw), raw, HASTY)
        for _ in range(2):
            with pytest.raises(Blocked):
                api.get("/api/v4/leads")
    assert [head.split(" ")[1] for head in server.heads] == ["/oauth2/access_token"]


@pytest.mark.parametrize("length", [1, 280, 400])
def test_no_secret_in_an_error_wherever_its_end_is_cut(length: int) -> None:
    token = f"long-{'7' * 500}"
    echo = json.dumps({"title": f"{'x' * length} {token}"}).encode()
    with serve(lambda conn, _: conn.json(echo, "400 Bad Request")) as server:
        raw: dict[str, Any] = {**oauth(refresh_token=token), "api_base_url": server.url}
        with pytest.raises(Unauthorized) as caught:
            open_api(parse_config(raw), raw, HASTY).get("/api/v4/leads")
    assert f"({'x' * length} ****" in str(caught.value) or length == 400
    assert "7777" not in str(caught.value)


def test_no_secret_in_an_error_or_in_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    echo = json.dumps({"title": "No", "detail": "clientsecret-1111 refresh-0000 is wrong"}).encode()
    with serve(lambda conn, _: conn.json(echo, "400 Bad Request")) as server:
        raw: dict[str, Any] = {**oauth(), "api_base_url": server.url}
        api = open_api(parse_config(raw), raw, HASTY)
        with pytest.raises(Unauthorized) as caught:
            api.get("/api/v4/leads")
    print_error(caught.value)
    for said in (str(caught.value), repr(caught.value), capsys.readouterr().out):
        assert "1111" not in said
        assert "0000" not in said
    assert str(caught.value).startswith("amoCRM gave no new token (**** **** is wrong, No). Compare ")
