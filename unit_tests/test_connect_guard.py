"""Who may talk to the page, and what every answer of it carries."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox import Server
from source_amocrm.connect.connect_site import HEADERS, Request, Site
from testing.connect_tools import (
    DOMAIN,
    ORIGIN,
    PORT,
    SECRET,
    Visitor,
    answer,
    callback,
    flow,
    ready,
    visitor,
)

pytestmark = pytest.mark.usefixtures("hurried")


def test_the_link_works_once(server: Server, tmp_path: Path) -> None:
    visiting = visitor(flow(server, tmp_path))
    assert visiting.open().status == 200  # the same browser
    other = Visitor(visiting.site)
    assert other.open().status == 403
    assert "This link no longer works" in other.page
    assert other.get("/start?key=").status == 403
    fresh = Visitor(Site(visiting.site.flow, None, lambda: None))
    assert fresh.get("/start?key=ы").status == 403
    assert fresh.open().status == 200


@pytest.mark.parametrize("path", ["/", "/account", "/result", "/settings", "/grant", "/nothing", "/callback?code=c"])
def test_without_the_link_nothing_is_shown(server: Server, tmp_path: Path, path: str) -> None:
    site = visitor(ready(server, tmp_path)).site
    for cookie in ("", "source-amocrm-connect=guessed", "source-amocrm-connect="):
        stranger = Visitor(site, cookie=cookie)
        for response in (stranger.get(path), stranger.post(path)):
            assert response.status == 403
            assert "did not come from the page" in response.body.decode()


def test_amocrm_answer_without_the_cookie_is_known_by_its_state(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    stranger = Visitor(visitor(made).site)
    given = answer(server, made)
    assert stranger.send("GET", callback(given), {}, {}).headers["Location"] == f"{ORIGIN}/result"
    assert made.saved
    assert stranger.get("/result").status == 403


@pytest.mark.parametrize(
    "host", ["", "evil.com", f"evil.com:{PORT}", "localhost", "localhost:1", f"localhost:{PORT}.x"]
)
def test_another_host_is_turned_away(server: Server, tmp_path: Path, host: str) -> None:
    visiting = visitor(flow(server, tmp_path))
    for path in ("/account", "/static/app.css", visiting.site.link, "/callback"):
        assert visiting.send("GET", path, {}, {"host": host}).status == 403


def test_the_number_of_this_computer_will_do(server: Server, tmp_path: Path) -> None:
    visiting = visitor(flow(server, tmp_path))
    assert visiting.send("GET", "/account", {}, {"host": f"127.0.0.1:{PORT}"}).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": ORIGIN}, 303),
        ({"origin": f"http://127.0.0.1:{PORT}"}, 303),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "https://evil.com"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({}, 403),
    ],
)
def test_only_our_own_pages_may_post(server: Server, tmp_path: Path, headers: dict[str, str], status: int) -> None:
    visiting = visitor(flow(server, tmp_path))
    response = visiting.send("POST", "/account", {"address": DOMAIN, "way": "token"}, headers)
    assert response.status == status
    assert (visiting.site.flow.domain == DOMAIN) == (status == 303)


def test_another_site_cannot_ask_for_access(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    visiting = visitor(made)
    visiting.get("/grant", sec_fetch_site="cross-site")
    assert (visiting.path, made.state) == ("/access", "")


def test_headers(server: Server, tmp_path: Path) -> None:
    visiting = visitor(ready(server, tmp_path))
    answers = [
        visiting.get("/account"),
        visiting.get("/nothing"),
        visiting.post("/settings"),
        visiting.get("/static/app.js"),
        visiting.send("GET", "/", {}, {}),
        visiting.send("GET", "/grant", {}, {}),
        visiting.send("GET", "/account", {}, {"host": "evil.com"}),
    ]
    for response in answers:
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in policy
    assert (HEADERS["Cache-Control"], HEADERS["Referrer-Policy"]) == ("no-store", "same-origin")
    fresh = Visitor(Site(visiting.site.flow, None, lambda: None))
    opened = fresh.send("GET", fresh.site.link, {}, {})
    assert opened.headers["Set-Cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert fresh.site.link.partition("key=")[2] not in repr(fresh.site)


def test_pages_need_nothing_from_elsewhere(server: Server, tmp_path: Path) -> None:
    visiting = visitor(ready(server, tmp_path))
    visiting.get("/integration")
    visiting.get("/access")
    for page in visiting.pages:
        assert "style=" not in page
        assert "onclick" not in page
        assert "<script>" not in page
        sources = [part.partition('"')[0] for part in page.split('src="')[1:]]
        assert all(urlsplit(source).netloc == "" for source in sources)
    assert visiting.get("/static/app.css").headers["Content-Type"] == "text/css"
    assert visiting.get("/static/icon.svg").status == 200
    assert visiting.get("/static/../cli.py").status == 404


def test_a_request_shows_nothing_of_itself() -> None:
    assert SECRET not in repr(Request("GET", "/callback", {"code": SECRET}, {"cookie": SECRET}, {"pasted": SECRET}))
