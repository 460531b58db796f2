"""OAuth against a token endpoint whose refresh tokens work once."""

from __future__ import annotations

import copy
import io
import json
import logging
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_amocrm.auth import print_settings
from source_amocrm.auth.oauth import AmocrmOAuth2Authenticator
from source_amocrm.config.settings import _FORM, _SIGN_IN
from source_amocrm.errors import AmocrmError, ConfigError, Moved, NotFound, Unauthorized, Unavailable
from source_amocrm.http import open_api
from source_amocrm.secrecy import mask
from source_amocrm.source import open_account
from testing.http_tools import HOST, NOW, config, jwt, oauth
from testing.oauth_endpoint import DAY, Clock, Endpoint, start

LATER = Unavailable("Later.", failure_type=FailureType.transient_error)


def handed_over(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all((one["type"], one["control"]["type"]) == ("CONTROL", "CONNECTOR_CONFIG") for one in messages)
    return [one["control"]["connectorConfig"]["config"] for one in messages]


def test_a_token_at_hand_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = Endpoint()
    auth = start(oauth(access_token="access-0000", token_expiry_date="2025-10-10T08:53:20Z"), endpoint)
    assert auth.get_access_token() == auth.token == "access-0000"
    assert endpoint.asked == []
    assert handed_over(capsys) == []


def test_the_first_token_is_handed_over_before_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    raw, endpoint = oauth(), Endpoint()
    before = copy.deepcopy(raw)
    auth = start(raw, endpoint)
    assert auth.token == ""
    assert auth.get_access_token() == "access-0001"
    after = copy.deepcopy(before)
    after["credentials"] |= {
        "access_token": "access-0001",
        "refresh_token": "refresh-0001",
        "token_expiry_date": "2025-10-10T08:53:20Z",
    }
    assert raw == after
    assert handed_over(capsys) == [after]
    assert endpoint.asked == [(HOST, "refresh-0000")]


def test_a_refresh_token_that_was_pasted_with_spaces_is_exchanged_without_them() -> None:
    assert start(oauth(refresh_token=" refresh-0000\n"), Endpoint()).get_access_token() == "access-0001"


def test_the_token_is_not_in_use_while_it_is_handed_over() -> None:
    raw = oauth(access_token="access-0000", token_expiry_date="2025-10-09T00:00:00Z")
    seen: list[tuple[str, str]] = []

    def see(config: Mapping[str, Any]) -> None:
        seen.append((auth.token, config["credentials"]["access_token"]))

    auth = start(raw, Endpoint(), hand_over=see)
    assert auth.get_access_token() == "access-0001"
    assert seen == [("access-0000", "access-0001")]


def test_new_tokens_are_masked_in_logs_and_traces() -> None:
    start(oauth(), Endpoint()).get_access_token()
    secrets = "clientsecret-1111 refresh-0000 access-0001 refresh-0001"
    assert mask(secrets) == filter_secrets(secrets) == "**** **** **** ****"


@pytest.mark.parametrize(("left", "renewed"), [(121, False), (120, True), (0, True), (-9999, True)])
def test_a_token_is_renewed_ahead_of_its_expiry(left: int, renewed: bool) -> None:
    clock, endpoint = Clock(), Endpoint()
    auth = start(oauth(access_token="access-0000", token_expiry_date="2025-10-10T08:53:20Z"), endpoint, clock)
    clock.now = NOW + DAY - left
    assert auth.get_access_token() == ("access-0001" if renewed else "access-0000")


def test_the_expiry_is_read_from_the_token_when_the_settings_do_not_tell() -> None:
    endpoint = Endpoint()
    assert start(oauth(access_token=jwt(exp=NOW)), endpoint).get_access_token() == "access-0001"
    alive = jwt(exp=NOW + DAY)
    assert start(oauth(access_token=alive), Endpoint()).get_access_token() == alive
    assert start(oauth(access_token="opaque"), Endpoint()).get_access_token() == "opaque"


def test_the_server_s_clock_decides() -> None:
    """Ours is two days ahead: by it, the new token would have expired before it came."""
    clock, endpoint = Clock(), Endpoint()
    clock.now = NOW + 2 * DAY
    raw = oauth()
    auth = start(raw, endpoint, clock)
    assert auth.get_access_token() == auth.get_access_token() == "access-0001"
    assert raw["credentials"]["token_expiry_date"] == "2025-10-10T08:53:20Z"
    clock.now += DAY - 121
    assert auth.get_access_token() == "access-0001"
    clock.now += 1
    endpoint.server_time += DAY - 120
    assert auth.get_access_token() == "access-0002"


def test_a_short_life_is_used_too() -> None:
    clock, endpoint = Clock(), Endpoint()
    endpoint.expires_in = 60
    auth = start(oauth(), endpoint, clock)
    auth.get_access_token()
    clock.now += 53
    assert auth.get_access_token() == "access-0001"
    clock.now += 1
    assert auth.get_access_token() == "access-0002"


def test_a_rejected_token_is_renewed() -> None:
    auth = start(oauth(access_token="access-0000"), Endpoint())
    assert auth.renew("access-0000") == "access-0001"
    assert auth.renew("access-0000") == "access-0001"
    assert auth.renew("access-0001") == "access-0002"


@pytest.mark.parametrize("step", ["token", "renew"])
def test_one_exchange_for_fifty_threads(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = Endpoint()
    auth = start(oauth(access_token="access-0000", token_expiry_date="2025-10-09T00:00:00Z"), endpoint)
    together = threading.Barrier(50)

    def work(_: int) -> str | None:
        together.wait()
        return auth.get_access_token() if step == "token" else auth.renew("access-0000")

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(work, range(50))) == {"access-0001"}
    assert len(endpoint.asked) == 1
    assert len(handed_over(capsys)) == 1


class CountingLock:
    """A lock that knows how many have come to it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.came = threading.Semaphore(0)

    def __enter__(self) -> None:
        self.came.release()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def test_those_who_waited_share_the_failure() -> None:
    endpoint = Endpoint()
    endpoint.failing[HOST] = LATER
    auth = start(oauth(), endpoint)
    lock = CountingLock()
    auth._token_refresh_lock = lock  # type: ignore[assignment]

    def until_all_have_come() -> None:
        for _ in range(10):
            assert lock.came.acquire(timeout=600)

    endpoint.meanwhile = until_all_have_come

    def work(_: int) -> str:
        with pytest.raises(Unavailable) as caught:
            auth.get_access_token()
        return str(caught.value)

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(work, range(10))) == ["Later."] * 10
    assert len(endpoint.asked) == 1
    endpoint.failing, endpoint.meanwhile = {}, lambda: None
    assert auth.get_access_token() == "access-0001"


def test_a_revoked_refresh_token_is_tried_once() -> None:
    endpoint = Endpoint()
    auth = start(oauth(refresh_token="refresh-9999"), endpoint)
    for _ in range(3):
        with pytest.raises(Unauthorized, match="Token has been revoked"):
            auth.get_access_token()
    assert len(endpoint.asked) == 1


def test_a_failed_renewal_ahead_leaves_the_token_in_use(caplog: pytest.LogCaptureFixture) -> None:
    clock, endpoint = Clock(), Endpoint()
    auth = start(oauth(access_token="access-0000", token_expiry_date="2025-10-09T08:55:00Z"), endpoint, clock)
    endpoint.failing[HOST] = LATER
    with caplog.at_level(logging.WARNING, "airbyte.amocrm"):
        assert [auth.get_access_token(), auth.get_access_token()] == ["access-0000", "access-0000"]
    assert len(endpoint.asked) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "The token could not be renewed ahead of its expiry and stays in use: Later."
    ]
    clock.now += 60
    endpoint.failing = {}
    assert auth.get_access_token() == "access-0001"


def test_a_failed_renewal_of_a_dead_token_is_said() -> None:
    endpoint = Endpoint()
    auth = start(oauth(access_token="access-0000", token_expiry_date="2025-10-09T08:53:20Z"), endpoint)
    endpoint.failing[HOST] = LATER
    with pytest.raises(Unavailable):
        auth.get_access_token()


RU = {"base_domain": "amocrm.ru", "api_domain": "api-b.amocrm.ru", "account_id": 123}
RENAMED = "https://renamed.amocrm.ru"


@pytest.mark.parametrize("error", [Unauthorized, NotFound, Moved])
def test_a_renamed_account_is_followed_by_the_exchange(
    error: type[AmocrmError], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = Endpoint(RU)
    endpoint.domain = "renamed.amocrm.ru"
    endpoint.failing[HOST] = error("No.", failure_type=FailureType.config_error)
    raw = oauth(access_token=jwt(n=0, **RU))
    auth = start(raw, endpoint)
    with caplog.at_level(logging.WARNING, "airbyte.amocrm"):
        assert auth.renew(jwt(n=0, **RU)) == jwt(n=1, **RU)
    assert endpoint.lookups == [("api-b.amocrm.ru", "refresh-0000")]
    assert endpoint.asked == [(HOST, "refresh-0000"), (RENAMED, "refresh-0000")]
    assert (auth.domain, auth.base_url, auth.claims.account_id) == ("renamed.amocrm.ru", RENAMED, 123)
    assert [record.getMessage() for record in caplog.records] == [
        "The account example.amocrm.ru is now called renamed.amocrm.ru. The new address is used from here on and "
        "written into the account address (account_domain) of the source's settings."
    ]
    assert [one["account_domain"] for one in handed_over(capsys)] == ["renamed.amocrm.ru"] * 2
    assert raw["account_domain"] == "renamed.amocrm.ru"


@pytest.mark.parametrize("found", [None, "example.amocrm.ru", "evil.com", "www.amocrm.ru", "a.b.amocrm.ru"])
def test_no_new_address_no_change(found: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = Endpoint(RU)
    endpoint.domain = found
    auth = start(oauth(access_token=jwt(n=0, **RU)), endpoint)
    assert auth.relocate() is False
    assert (auth.base_url, handed_over(capsys)) == (HOST, [])


def test_no_look_up_without_an_api_server_or_behind_an_override() -> None:
    endpoint = Endpoint(RU)
    endpoint.domain = "renamed.amocrm.ru"
    assert start(oauth(access_token="opaque"), endpoint).relocate() is False
    assert start(oauth(access_token=jwt(api_domain="api.evil.com")), endpoint).relocate() is False
    local = {**oauth(access_token=jwt(**RU)), "api_base_url": "http://127.0.0.1:8080"}
    auth = start(local, endpoint)
    assert auth.relocate() is False
    assert auth.base_url == "http://127.0.0.1:8080"
    assert endpoint.lookups == []


def test_a_token_of_the_other_service() -> None:
    with pytest.raises(ConfigError, match=r"The token is for an account at kommo\.com"):
        start(oauth(access_token=jwt(base_domain="kommo.com")), Endpoint())
    with pytest.raises(ConfigError, match=r"The token is for an account at kommo\.com"):
        start(oauth(), Endpoint({"base_domain": "kommo.com"})).get_access_token()


def test_settings_with_oauth_make_it() -> None:
    raw = oauth()
    made = open_api(config(raw), raw).auth
    assert isinstance(made, AmocrmOAuth2Authenticator)
    assert made.expiry_warning(NOW) is None


class Pipe(io.StringIO):
    """Remembers each write and flush."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    def write(self, text: str) -> int:
        self.steps.append(text)
        return super().write(text)

    def flush(self) -> None:
        self.steps.append("<flush>")


def test_a_message_leaves_in_one_write_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stdout", pipe)
    print_settings({"account_domain": "example"})
    line, flush = pipe.steps
    assert flush == "<flush>"
    assert line.endswith("}\n")
    assert json.loads(line)["control"]["connectorConfig"] == {"config": {"account_domain": "example"}}


@pytest.mark.parametrize("odd", ["\ud800", 10**30, {"deep": ["\udfff"]}])
def test_odd_settings_are_handed_over_too(odd: Any, capsys: pytest.CaptureFixture[str]) -> None:
    print_settings({"odd": odd})
    assert handed_over(capsys) == [{"odd": odd}]


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_no_blank_setting_is_a_stack_trace(blank: str | None) -> None:
    """The account can be opened, or the setting is named."""
    for name in _FORM:
        for part in (None, *_SIGN_IN["oauth2.0"]) if name == "credentials" else (None,):
            config = oauth(access_token="access-0000", token_expiry_date="2026-01-01T00:00:00Z")
            (config if part is None else config["credentials"])[part or name] = blank
            with suppress(ConfigError):
                open_account(config)
    assert start(oauth(token_expiry_date=blank), Endpoint()).get_access_token() == "access-0001"
