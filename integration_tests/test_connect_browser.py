"""The page of `source-amocrm connect` in a real Chromium, against an account that grants, refuses and forges."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from source_amocrm.connect.connect_command import CONNECT_PORT
from source_amocrm.connect.connect_words import LANGUAGES, Texts
from source_amocrm.streams import STREAMS
from testing import forked
from testing.combinations import one_in
from testing.connect_page import Page, connect

ROOT = Path(__file__).resolve().parents[1]
ANYWHERE = """
  for (const line of document.querySelectorAll(".chip code")) {
    for (const [path, shown] of arguments[0]) line.textContent = line.textContent.replaceAll(path, shown);
  }
"""
"""The pictures show no folder of the machine that made them."""

PROBLEMS: dict[str, Callable[[Page], None]] = {
    "refused": lambda page: page.press("#deny"),
    "wrong_state": lambda page: _forge(page, state="forged"),
    "foreign_referer": lambda page: _forge(page, referer="example.amocrm.ru.evil.com"),
    "other_account": lambda page: _forge(page, referer="other.amocrm.ru"),
    "code_expired": lambda page: _expire(page),
}


def _forge(page: Page, **forged: str) -> None:
    for name, text in forged.items():
        setattr(page.server.sandbox.consent, name, text)
    page.press("#allow")


def _expire(page: Page) -> None:
    page.server.tokens.lifetimes.code = -1
    page.press("#allow")


@pytest.fixture
def page(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Page]:
    with connect(browser, tmp_path) as opened:
        yield opened


def settings(page: Page) -> dict[str, Any]:
    assert stat.S_IMODE(page.config.stat().st_mode) == 0o600
    written: dict[str, Any] = json.loads(page.config.read_text(encoding="utf-8"))
    return written


@pytest.mark.parametrize("language", LANGUAGES)
def test_grant(browser: webdriver.Chrome, tmp_path: Path, language: str) -> None:
    words = Texts(language)
    with connect(browser, tmp_path, language) as page:
        assert (page.path, page.text("h1")) == ("/account", words("account.title"))
        page.choose("https://example.amocrm.ru/leads/list/", "oauth")
        assert page.text(".chip code") == "Airbyte"
        page.install()
        assert (page.path, page.text("#grant")) == ("/access", words("access.grant"))
        page.press("#grant")
        page.press("#allow")
        assert (page.path, page.text("h1"), page.problem) == ("/result", "ООО «Северный ветер»", None)
        shown = [item.text for item in page.browser.find_elements("css selector", "#readable li")]
        assert shown == [words.table(table) for table in STREAMS]
        credentials = settings(page)["credentials"]
        assert page.browser.current_url == f"{page.origin}/result"
        code, printed = page.finish()
        assert code == 0
        assert words("result.saved", path="config.json") in printed
        assert page.text("h1") == words("message.finished")
        assert page.server.tokens.exchanges == 1
        assert credentials["refresh_token"] in page.server.tokens.all_secrets()
        checked = forked.run(["check", "--config", page.config], constants=forked.UNPACED)
        assert '"status":"SUCCEEDED"' in checked.stdout
        assert page.leaks() == []


@pytest.mark.parametrize(("key", "language"), one_in(3, zip(PROBLEMS, cycle(LANGUAGES), strict=False)))
def test_an_answer_that_leads_nowhere(browser: webdriver.Chrome, tmp_path: Path, key: str, language: str) -> None:
    with connect(browser, tmp_path, language) as page:
        page.to_consent()
        PROBLEMS[key](page)
        assert (page.path, page.problem) == ("/access", key)
        gaps = {"domain": "example.amocrm.ru", "granted": "other.amocrm.ru"}
        said = Texts(language)(f"problem.{key}", **gaps)
        assert page.text("#problem > p") == said
        assert page.browser.switch_to.active_element == page.find("#problem")
        assert not page.config.exists()
        assert page.server.tokens.exchanges == 0
        # and it can be mended from where one is
        page.server.sandbox.consent.state = page.server.sandbox.consent.referer = None
        page.server.tokens.lifetimes.code = 1200
        page.press("#grant")
        page.press("#allow")
        assert (page.path, page.problem) == ("/result", None)
        assert [text for text in page.console() if page.origin in text] == [], "the browser complains of nothing"
        assert page.leaks() == []


def test_a_used_code_and_a_pasted_code(page: Page) -> None:
    page.choose("example.amocrm.ru", "oauth")
    page.install()
    code = page.server.tokens.code()
    page.paste(code)
    assert (page.path, page.problem) == ("/result", None)
    page.browser.back()
    page.wait(lambda: page.path == "/access")
    page.paste(code)
    assert (page.path, page.problem) == ("/result", "code_used")
    assert page.has("#saved")  # what has been granted before stays
    page.browser.get(f"{page.origin}/access")
    page.paste(page.server.tokens.code())
    assert (page.problem, page.has("#exists")) == (None, True)
    assert page.leaks() == []


def test_a_wrong_secret_key_is_corrected(page: Page) -> None:
    page.to_consent(client_secret="wrong")
    page.press("#allow")
    assert page.problem == "unknown_integration"
    assert "Авторизация клиента не прошла" in str(page.find("#problem details").get_attribute("textContent"))
    page.press(".grant a:not(.main)")
    assert page.find("#client_secret").get_attribute("value") == ""
    page.install()
    page.press("#grant")
    page.press("#allow")
    assert page.has("#saved")
    assert page.leaks() == []


def test_a_redirect_that_ends_elsewhere_is_pasted(page: Page) -> None:
    page.server.tokens.client.redirect_uri = "https://example.com/"
    page.choose("example.amocrm.ru", "oauth")
    page.install(redirect_uri="https://example.com/")
    own = page.browser.current_window_handle
    page.find("#grant").click()
    page.wait(lambda: len(page.browser.window_handles) == 2)
    page.browser.switch_to.window(next(name for name in page.browser.window_handles if name != own))
    page.wait(lambda: page.has("#allow"))
    page.find("#allow").click()
    page.wait(lambda: page.browser.current_url.startswith("https://example.com/?code="))
    address = page.browser.current_url
    page.browser.close()
    page.browser.switch_to.window(own)
    page.paste(address)
    assert (page.path, page.problem) == ("/result", None)
    assert settings(page)["credentials"]["redirect_uri"] == "https://example.com/"
    assert page.leaks() == []


def test_a_pasted_long_lived_token(page: Page) -> None:
    page.choose("example", "token")
    page.press("button.main")
    page.paste("two words")
    assert (page.path, page.problem) == ("/access", "not_a_code")
    token = page.server.tokens.long_lived()
    page.paste(f"Bearer {token}")
    assert (page.path, page.problem) == ("/result", None)
    assert settings(page)["credentials"] == {"auth_type": "long_lived_token", "access_token": token}
    assert page.leaks() == []


def test_rights_that_are_missing_and_a_file_that_is_there(page: Page) -> None:
    page.config.write_text('{"account_domain": "example.amocrm.ru", "start_date": "2024-01-01"}')
    page.server.account.switches.forbidden = frozenset({"users"})
    page.choose("example.amocrm.ru", "token")
    page.press("button.main")
    page.paste(page.server.tokens.long_lived())
    assert page.text("#refused dt") == "users"
    assert page.text("#exists p").startswith("config.json is there already.")
    page.press("#exists button")
    assert page.has("#saved")
    assert settings(page)["start_date"] == "2024-01-01"
    assert page.leaks() == []


def test_no_network(page: Page) -> None:
    page.choose("example.amocrm.ru", "token")
    page.press("button.main")
    token = page.server.tokens.long_lived()
    page.server.stop()
    page.paste(token)
    assert (page.path, page.problem) == ("/result", "unreachable")
    assert not page.config.exists()
    assert page.leaks() == []


def test_what_the_buttons_copy(page: Page) -> None:
    page.to_consent()
    page.press("#allow")
    page.browser.execute_script("window.setTimeout = () => 0")  # what a button says for a while it says for good
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    page.browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": permissions, "origin": page.origin})
    written = settings(page)
    given = {**written, **written["credentials"]}
    for button in page.browser.find_elements("css selector", ".form .copy"):
        name = button.get_attribute("data-secret") or ""
        label = button.find_element("xpath", "../../dt").text
        assert clicked(page, f"[aria-label='Copy: {label}']") == (given[name] if name else _beside(page, label))
    assert json.loads(clicked(page, ".copy.all")) == written
    assert page.leaks() == []


def clicked(page: Page, css: str) -> str:
    button = page.find(css)
    button.click()
    page.wait(lambda: button.text == "Copied")
    return str(page.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])"))


def _beside(page: Page, label: str) -> str:
    return page.browser.find_element("xpath", f"//dt[text()='{label}']/../dd/code").text


@pytest.mark.parametrize("width", [360, 800])
def test_mistakes_stand_beside_their_fields_and_the_last_card_below_the_header(page: Page, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.choose("example.com", "oauth")
        said_below(page, "#address")
        page.choose("example.amocrm.ru", "oauth")
        page.install(client_id="nonsense")
        said_below(page, "#client_id")
        page.press(".actions a")
        page.choose("example.amocrm.ru", "token")
        page.press("button.main")
        page.paste(page.server.tokens.long_lived()[:90])
        assert page.problem == "broken_token"
        said_below(page, "#pasted")
        assert page.server.log == []
        page.paste(page.server.tokens.long_lived())
        page.finish()
        header, card = page.find("header").rect, page.find("main").rect
        assert card["y"] - header["y"] - header["height"] >= 16
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def said_below(page: Page, field: str) -> None:
    told, typed = page.find("#problem"), page.find(field)
    assert page.browser.switch_to.active_element == typed
    assert 0 <= told.rect["y"] - typed.rect["y"] - typed.rect["height"] < 16


def test_another_browser_cannot_use_the_link_again(page: Page) -> None:
    link = "".join(page.printed).partition("http://localhost")[2].split()[0]
    page.browser.delete_all_cookies()
    page.browser.get(f"http://localhost{link}")
    assert page.text("h1") == "This link no longer works"
    page.browser.get(f"{page.origin}/account")
    assert page.text("h1") == "This request did not come from the page"


@pytest.mark.parametrize(("way", "language"), one_in(3, product(("token", "oauth"), LANGUAGES)))
def test_each_page_on_a_phone_and_its_pictures(
    browser: webdriver.Chrome, tmp_path: Path, language: str, way: str
) -> None:
    """SCREENSHOTS=docs/images keeps the pictures there: `make screenshots`."""
    kept = os.environ.get("SCREENSHOTS")

    def picture(name: str) -> Path | None:
        return Path(kept).absolute() / f"connect-{name}-{language}.png" if kept else None

    with connect(browser, tmp_path, language, CONNECT_PORT if kept else 0) as page:
        if way == "oauth":
            page.type("#address", "example.amocrm.ru")
            inspect(page, picture("account"))
        page.choose("example.amocrm.ru", way)
        inspect(page, picture(f"integration-{way}"))
        if way == "token":
            page.press("button.main")
            inspect(page, picture("access-token"))
            page.paste(page.server.tokens.long_lived())
        else:
            page.install()
            inspect(page, picture("access-oauth"))
            page.press("#grant")
            page.press("#deny")
            inspect(page, picture("refused"))
            page.press("#grant")
            page.press("#allow")
        inspect(page, picture(f"result-{way}"))
        assert page.leaks() == []


def inspect(page: Page, file: Path | None) -> None:
    """The page must fit a narrow phone, and be understood without being seen. `file` gets its picture first."""
    if file:
        shown = [[str(page.config.parent), "/home/anna"], [str(ROOT), "/home/anna/source-amocrm"]]
        page.browser.execute_script(ANYWHERE, shown)
        page.shoot(file)
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    assert page.browser.execute_script("return document.documentElement.scrollWidth") == 360
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    unnamed = """
      const named = (e) => e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label");
      const all = [...document.querySelectorAll("input, button, a, summary")];
      return all.filter((e) => !named(e)).map((e) => e.outerHTML);
    """
    assert page.browser.execute_script(unnamed) == []
    assert len(page.browser.find_elements("css selector", "h1")) == 1
    assert page.find("html").get_attribute("lang") in LANGUAGES
