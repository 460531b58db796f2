"""The host of files: the account's token and pace, and its own troubles."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.config.trusted_hosts import service_url
from source_amocrm.errors import AmocrmError, Moved, NotGranted, Throttled, Unauthorized, Unavailable
from source_amocrm.http import files_host_api
from testing.client_world import GATEWAY_TIMEOUT, HTML_403, PAGE, UNAUTHORIZED, FakeAuth, World
from testing.http_tools import HOST

DRIVE = "https://drive-b.amocrm.ru"
FILES = f"{DRIVE}/v1.0/files"
ACCOUNT = f"{HOST}/api/v4/account"
OK: dict[str, Any] = {"json": {"id": 5}}


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://drive-b.amocrm.ru", "https://drive-b.amocrm.ru"),
        ("https://Drive-C.kommo.com:443/", "https://drive-c.kommo.com"),
        ("https://drive.amocrm.com/b/", "https://drive.amocrm.com/b"),
        *(
            (wrong, None)
            for wrong in [
                "http://drive-b.amocrm.ru",
                "https://drive-b.amocrm.ru:8443",
                "https://drive-b.amocrm.ru.evil.com",
                "https://evil.com/.amocrm.ru",
                "https://evil.com#.amocrm.ru",
                "https://evil.com?.amocrm.ru",
                "https://user@drive-b.amocrm.ru",
                "https://drive-b.amocrm.ru?to=evil.com",
                "https://evil.com\\.amocrm.ru",
                "https://amocrm.ru",
                "https://127.0.0.1",
                "//drive-b.amocrm.ru",
                "drive-b.amocrm.ru",
                "https://drive-b.amocrm.ru:x",
                "",
                None,
                5,
                ["https://drive-b.amocrm.ru"],
            ]
        ),
    ],
)
def test_where_a_token_may_be_sent(given: object, url: str | None) -> None:
    assert service_url(given) == url


def refused(world: World) -> AmocrmError:
    with pytest.raises(AmocrmError) as caught:
        files_host_api(world.api, DRIVE).get("/v1.0/files")
    return caught.value


def test_the_token_and_the_pace_are_the_account_s() -> None:
    world = World(FakeAuth())
    world.answers(PAGE, url=FILES)
    assert files_host_api(world.api, DRIVE).get("/v1.0/files", {"limit": 50}).body == PAGE["json"]
    assert (world.asked, world.tokens) == ([f"{FILES}?limit=50"], ["Bearer t0"])
    assert world.api.stats.requests == 1


def test_a_401_for_a_token_that_the_account_accepts_renews_nothing() -> None:
    world = World(FakeAuth(last=9))
    world.answers(UNAUTHORIZED, url=FILES)
    world.answers(OK, url=ACCOUNT)
    assert type(refused(world)) is NotGranted
    assert world.asked == [FILES, ACCOUNT]
    assert world.auth.renewals == []
    world.answers(PAGE)
    assert world.api.get("/api/v4/leads").body == PAGE["json"]


def test_a_token_that_the_account_rejects_too_is_renewed() -> None:
    world = World(FakeAuth(last=1))
    world.answers(UNAUTHORIZED, PAGE, url=FILES)
    world.answers(UNAUTHORIZED, OK, url=ACCOUNT)
    assert files_host_api(world.api, DRIVE).get("/v1.0/files").body == PAGE["json"]
    assert world.asked == [FILES, ACCOUNT, ACCOUNT, FILES]
    assert world.tokens == ["Bearer t0", "Bearer t0", "Bearer t1", "Bearer t1"]
    assert world.auth.renewals == ["t0"]


def test_a_dead_token_fails_with_the_refusal_of_the_account() -> None:
    world = World(FakeAuth())
    world.answers(UNAUTHORIZED, url=FILES)
    world.answers(UNAUTHORIZED, url=ACCOUNT)
    error = refused(world)
    assert (type(error), error.path) == (Unauthorized, "/api/v4/account")


def test_a_drive_that_rejects_every_token_is_given_up() -> None:
    """Also where the account renews each of them."""
    world = World(FakeAuth(last=99))
    world.answers(UNAUTHORIZED, url=FILES)
    world.answers(*[UNAUTHORIZED, OK] * 50, url=ACCOUNT)
    assert type(refused(world)) is NotGranted
    assert len(world.asked) <= 18


def test_a_block_by_the_drive_s_front_server_stops_no_other_request() -> None:
    world = World(FakeAuth())
    world.answers(HTML_403, url=FILES)
    world.answers(PAGE)
    assert type(refused(world)) is NotGranted
    assert world.api.get("/api/v4/leads").body == PAGE["json"]


def test_an_outage_of_the_drive_is_its_own() -> None:
    world = World(FakeAuth())
    world.answers(GATEWAY_TIMEOUT, url=FILES)
    world.answers(GATEWAY_TIMEOUT, PAGE)
    assert type(refused(world)) is Unavailable
    assert world.api.get("/api/v4/leads").body == PAGE["json"], "the account is tried again as ever"


def test_after_a_refusal_of_the_account_the_drive_is_not_requested() -> None:
    world = World(FakeAuth())
    world.answers({"status_code": 429})
    with pytest.raises(Throttled):
        world.api.get("/api/v4/leads")
    asked = len(world.asked)
    assert type(refused(world)) is Throttled
    assert len(world.asked) == asked


def test_a_redirect_is_not_followed_and_no_address_is_looked_up() -> None:
    world = World(FakeAuth(moves_to="renamed.amocrm.ru"))
    world.answers({"status_code": 302, "headers": {"Location": "https://evil.com/"}}, url=FILES)
    assert type(refused(world)) is Moved
    assert (world.asked, world.auth.base_url) == ([FILES], HOST)


def test_a_429_of_the_drive_pauses_every_request_and_fails_the_drive_s_alone() -> None:
    world = World(FakeAuth())
    world.answers({"status_code": 429}, url=FILES)
    world.answers(PAGE)
    assert type(refused(world)) is Throttled
    assert world.api.get("/api/v4/leads").body == PAGE["json"]
