"""The page without a socket: who is let in, where each button leads, and that no page holds a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox import Server
from source_amocrm.connect.connect_site import Site
from source_amocrm.connect.connect_words import LANGUAGES, Texts
from source_amocrm.streams import STREAMS
from testing.connect_tools import (
    CALLBACK,
    DOMAIN,
    ORIGIN,
    SECRET,
    Visitor,
    answer,
    callback,
    flow,
    ready,
    visitor,
)

pytestmark = pytest.mark.usefixtures("hurried")


def keys(server: Server, **changed: str) -> dict[str, str]:
    client = server.tokens.client
    return {"client_id": client.client_id, "client_secret": client.client_secret, "redirect_uri": CALLBACK, **changed}


def problem_on(page: str) -> str | None:
    _, found, rest = page.partition('data-problem="')
    return rest.partition('"')[0] if found else None


def nothing_leaked(visiting: Visitor) -> None:
    assert [page for page in visiting.pages if SECRET in page] == []
    assert [url for url in visiting.urls if SECRET in url and not url.startswith(CALLBACK)] == []


def test_all_four_steps(server: Server, tmp_path: Path) -> None:
    visiting = visitor(flow(server, tmp_path))
    assert visiting.path == "/account"
    visiting.post("/account", {"address": DOMAIN, "way": "oauth"})
    assert visiting.path == "/integration"
    assert f'data-copy="{CALLBACK}"' in visiting.page
    visiting.post("/integration", keys(server))
    assert visiting.path == "/access"
    away = visiting.get("/grant")
    assert away.status == 303
    assert away.headers["Location"].startswith(f"{server.url}/oauth?client_id=")
    redirect = callback(answer(server, visiting.site.flow))
    for _ in range(2):  # again by a reload
        visiting.get(redirect)
        assert visiting.path == "/result"
        assert "ООО «Северный ветер»" in visiting.page
        assert 'id="saved"' in visiting.page
        assert problem_on(visiting.page) is None
    written = json.loads((tmp_path / "config.json").read_text())
    copied = json.loads(visiting.post("/settings").body)
    assert json.loads(copied["everything"]) == written
    assert copied["refresh_token"] == written["credentials"]["refresh_token"]
    nothing_leaked(visiting)


@pytest.mark.parametrize(
    ("field", "typed"),
    [("client_id", "nonsense"), ("client_id", ""), ("client_secret", "ы"), ("redirect_uri", "example.com")],
)
def test_what_cannot_be_right_is_said_beside_its_field_before_anything_is_sent(
    server: Server, tmp_path: Path, field: str, typed: str
) -> None:
    visiting = visitor(flow(server, tmp_path))
    visiting.post("/account", {"address": DOMAIN, "way": "oauth"})
    visiting.post("/integration", keys(server, **{field: typed}))
    assert (visiting.path, problem_on(visiting.page)) == ("/integration", field)
    beside(visiting.page, field)
    assert server.log == []


def beside(page: str, field: str) -> None:
    """The problem stands between the field it is about and whatever comes after it."""
    told = page.index('id="problem"')
    assert page.count('id="problem"') == 1
    assert page.count("aria-invalid") == 1
    named = page.rindex('name="', 0, told)
    assert page[named:].startswith(f'name="{field}"')
    assert 'aria-invalid="true"' in page[named:told]


def test_an_address_and_a_token_that_cannot_be_right_are_said_beside_their_fields(
    server: Server, tmp_path: Path
) -> None:
    visiting = visitor(flow(server, tmp_path))
    visiting.post("/account", {"address": "example.com", "way": "token"})
    beside(visiting.page, "address")
    visiting.post("/account", {"address": DOMAIN, "way": "token"})
    visiting.post("/integration")
    token = server.tokens.long_lived()
    for pasted, key in [(token[:100], "broken_token"), ("nonsense", "code_without_keys"), ("a b", "not_a_code")]:
        visiting.post("/access", {"pasted": pasted})
        assert (visiting.path, problem_on(visiting.page)) == ("/access", key)
        beside(visiting.page, "pasted")
    assert server.log == []
    visiting.get("/account")
    assert problem_on(visiting.page) == "not_a_code"  # on a page without the field it is told at the top
    assert "aria-invalid" not in visiting.page


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("way", ["token", "oauth"])
def test_what_is_read_is_told_before_access_is_asked(server: Server, tmp_path: Path, language: str, way: str) -> None:
    visiting = visitor(flow(server, tmp_path), language)
    visiting.post("/account", {"address": DOMAIN, "way": way})
    visiting.post("/integration", keys(server))
    told = visiting.page.partition('<ul class="promise">')[2].partition("</ul>")[0]
    assert told.count("<li>") == 3
    assert f"{len(STREAMS)}" in told
    assert str(tmp_path / "config.json") in told
    assert visiting.page.index('class="promise"') < visiting.page.index(
        'id="grant"' if way == "oauth" else 'id="pasted"'
    )


def test_the_end_in_russian_without_a_script(server: Server, tmp_path: Path) -> None:
    server.account.switches.forbidden = frozenset({"users"})
    visiting = visitor(flow(server, tmp_path), "ru")
    visiting.post("/account", {"address": DOMAIN, "way": "token"})
    visiting.post("/integration")
    visiting.post("/access", {"pasted": server.tokens.long_lived()})
    assert '<li title="deals">Сделки</li>' in visiting.page
    assert "<dt>Пользователи (users)</dt>" in visiting.page
    assert '<span class="scripted" hidden>Кнопки их копируют.</span>' in visiting.page
    assert "<noscript>Они в файле.</noscript>" in visiting.page
    buttons = visiting.page.split('class="copy')[1:]
    assert len(buttons) == 4
    assert all("hidden>" in button.partition("</button>")[0] for button in buttons)
    line = f"sync --config {tmp_path / 'config.json'} --project {server.account.id}"
    assert f"{line}</code>" in visiting.page


def test_a_long_lived_token(server: Server, tmp_path: Path) -> None:
    visiting = visitor(flow(server, tmp_path))
    visiting.post("/account", {"address": DOMAIN, "way": "token"})
    visiting.post("/integration")
    visiting.post("/access", {"pasted": server.tokens.long_lived()})
    assert visiting.path == "/result"
    assert 'id="expires"' in visiting.page
    nothing_leaked(visiting)


def test_a_later_step_waits_for_the_earlier_ones(server: Server, tmp_path: Path) -> None:
    visiting = visitor(flow(server, tmp_path))
    for path in ("/integration", "/access", "/result", "/grant", "/"):
        visiting.get(path)
        assert visiting.path == "/account"
    visiting.post("/access", {"pasted": "def502"})
    visiting.post("/check")
    visiting.post("/save")
    assert visiting.path == "/account"
    assert json.loads(visiting.post("/settings").body) == {"everything": "{}"}
    assert list(tmp_path.iterdir()) == []


def test_what_was_typed_stays_and_secrets_do_not(server: Server, tmp_path: Path) -> None:
    visiting = visitor(flow(server, tmp_path))
    visiting.post("/account", {"address": '"><script>', "way": "oauth"})
    assert problem_on(visiting.page) == "account_address"
    assert 'value="&#34;&gt;&lt;script&gt;"' in visiting.page
    assert 'aria-invalid="true" aria-describedby="problem address-hint"' in visiting.page
    visiting.post("/account", {"address": DOMAIN, "way": "oauth"})
    visiting.post("/integration", keys(server, redirect_uri="nowhere"))
    assert problem_on(visiting.page) == "redirect_uri"
    assert 'value="nowhere"' in visiting.page
    assert f'value="{server.tokens.client.client_id}"' in visiting.page
    nothing_leaked(visiting)


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"error": "access_denied"}, "refused"),
        ({"state": "forged"}, "wrong_state"),
        ({"referer": "other.amocrm.ru"}, "other_account"),
        ({"referer": "evil.example.com"}, "foreign_referer"),
        ({"code": "def502none"}, "not_issued"),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_that_leads_nowhere(
    server: Server, tmp_path: Path, changed: dict[str, str], key: str, language: str
) -> None:
    made = ready(server, tmp_path)
    visiting = visitor(made, language)
    given = answer(server, made, **changed)
    visiting.get(callback(given))
    assert (visiting.path, problem_on(visiting.page)) == ("/access", key)
    assert f'<html lang="{language}">' in visiting.page
    assert Texts(language).raw(f"problem.{key}").partition("{")[0][:20] in visiting.page
    assert "evil" not in visiting.page
    visiting.get("/access")
    assert problem_on(visiting.page) == key  # a reload, or another language, still tells it
    visiting.get("/grant")
    visiting.get("/access")
    assert problem_on(visiting.page) is None
    nothing_leaked(visiting)


def test_codes_that_are_pasted(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path)
    visiting = visitor(made)
    used = server.tokens.code()
    for pasted, key in [("", "nothing_pasted"), ("two words", "not_a_code"), ("def502", "not_issued")]:
        visiting.post("/access", {"pasted": pasted})
        assert (visiting.path, problem_on(visiting.page)) == ("/access", key)
    visiting.post("/access", {"pasted": callback(answer(server, made, code=used))})
    assert (visiting.path, problem_on(visiting.page)) == ("/result", None)
    visiting.post("/account", {"address": DOMAIN, "way": "oauth"})
    visiting.post("/integration", keys(server, client_secret=""))
    visiting.post("/access", {"pasted": used})
    assert problem_on(visiting.page) == "code_used"
    nothing_leaked(visiting)


def test_a_redirect_to_elsewhere_is_pasted(server: Server, tmp_path: Path) -> None:
    made = ready(server, tmp_path, redirect_uri="https://example.com/")
    visiting = visitor(made)
    visiting.get("/access")
    assert '<details class="aside" open>' in visiting.page
    assert 'target="_blank"' in visiting.page


def test_a_file_that_is_there(server: Server, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    visiting = visitor(ready(server, tmp_path))
    visiting.post("/access", {"pasted": server.tokens.code()})
    assert 'id="exists"' in visiting.page
    assert (tmp_path / "config.json").read_text() == "{}"
    visiting.post("/save")
    assert 'id="saved"' in visiting.page
    assert "refresh_token" in (tmp_path / "config.json").read_text()


def test_a_place_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    visiting = visitor(ready(server, tmp_path / "file"))
    visiting.post("/access", {"pasted": server.tokens.code()})
    assert (visiting.path, problem_on(visiting.page)) == ("/result", "file_not_written")
    assert "ООО «Северный ветер»" in visiting.page
    (tmp_path / "file").unlink()
    visiting.post("/save")
    assert 'id="saved"' in visiting.page


def test_a_check_that_is_repeated(server: Server, tmp_path: Path) -> None:
    server.account.switches.unpaid = True
    visiting = visitor(ready(server, tmp_path))
    visiting.post("/access", {"pasted": server.tokens.code()})
    assert (visiting.path, problem_on(visiting.page)) == ("/result", "unpaid")
    assert "Payment required" in visiting.page
    server.account.switches.unpaid = False
    visiting.post("/check")
    assert 'id="saved"' in visiting.page


def test_tables_that_may_not_be_read(server: Server, tmp_path: Path) -> None:
    server.account.switches.forbidden = frozenset({"users"})
    server.account.switches.filter_enabled = False
    visiting = visitor(ready(server, tmp_path))
    visiting.post("/access", {"pasted": server.tokens.code()})
    assert f"{len(STREAMS) - 1} of {len(STREAMS)} tables can be read" in visiting.page
    assert "<dt>users</dt>" in visiting.page
    assert 'id="filter"' in visiting.page


def test_languages(server: Server, tmp_path: Path) -> None:
    made = flow(server, tmp_path)
    visiting = Visitor(Site(made, None, lambda: None), language="ru-RU,ru;q=0.9,en;q=0.8")
    visiting.open()
    assert '<html lang="ru">' in visiting.page
    visiting.get("/account?lang=en")
    assert (visiting.urls[-1], '<html lang="en">' in visiting.page) == (f"{ORIGIN}/account", True)
    visiting.get("/account?lang=xx")
    assert '<html lang="en">' in visiting.page
    chosen = visitor(made, "ru")
    assert '<html lang="ru">' in chosen.page


@pytest.mark.parametrize("address", ["example.kommo.com", "example.amocrm.ru"])
@pytest.mark.parametrize("way", ["token", "oauth"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_clicks_of_each_service(server: Server, tmp_path: Path, address: str, way: str, language: str) -> None:
    made = flow(server, tmp_path)
    visiting = visitor(made, language)
    visiting.post("/account", {"address": address, "way": way})
    kommo = address.endswith("kommo.com")
    assert ('<b class="menu">Create integration</b>' in visiting.page) == kommo
    assert ('<b class="menu">Создать интеграцию</b>' in visiting.page) != kommo
    assert f'href="https://{address}/"' in visiting.page
    for made.chat_texts in (False, True):
        visiting.get("/integration")
        texts = "History of external chats" if kommo else "История внешних чатов"
        assert (f'<b class="menu">{texts}</b>' in visiting.page) is made.chat_texts
    visiting.post("/integration", keys(server))
    assert visiting.path == "/access"
    assert ('<b class="menu">Keys and scopes</b>' in visiting.page) == kommo


def test_there_is_no_such_page(server: Server, tmp_path: Path) -> None:
    visiting = visitor(flow(server, tmp_path))
    assert visiting.get("/nothing").status == 404
    assert visiting.post("/result").status == 404
    assert visiting.send("PUT", "/account", {}, {}).status == 404
    assert visiting.post("/callback").status == 404


def test_finishing(server: Server, tmp_path: Path) -> None:
    ended: list[bool] = []
    visiting = Visitor(Site(flow(server, tmp_path), "en", lambda: ended.append(True)))
    visiting.open()
    assert "You can close this page." in visiting.post("/finish").body.decode()
    assert ended == [True]
