"""Drives `source-amocrm connect` as a person does: the command in a terminal, its page in Chromium."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from sandbox import OFF, Account, Client, Server, Tokens

from . import machine
from .forked import UNPACED, Forked
from .leaks import leaks
from .ports import free_port

PATIENCE = 600.0
"""Time after which a wait fails (seconds)."""
ACCEPTED = {"en": "en-US,en;q=0.9", "ru": "ru-RU,ru;q=0.9,en;q=0.8"}


def chromium(trace: str = "") -> webdriver.Chrome:
    """Starts a browser that reaches only this computer. `trace`: the categories of events for its log `performance`."""
    browser, driver = machine.browser()
    options = webdriver.ChromeOptions()
    options.binary_location = str(browser)
    for argument in (
        "--headless=new",
        "--no-sandbox",  # CI runs as root
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        "--window-size=800,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"} | ({"performance": "ALL"} if trace else {}))
    if trace:
        traced = {"traceCategories": trace, "enableNetwork": False, "enablePage": False}
        options.add_experimental_option("perfLoggingPrefs", traced)
    return webdriver.Chrome(options=options, service=Service(str(driver)))


@dataclass
class Page:
    """The page of one run. `seen`: the sources and addresses of all pages that were shown."""

    browser: webdriver.Chrome
    process: Forked
    server: Server
    config: Path
    origin: str
    printed: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    @property
    def callback(self) -> str:
        return f"{self.origin}/callback"

    @property
    def path(self) -> str:
        return urlsplit(self.browser.current_url).path

    def find(self, css: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def has(self, css: str) -> bool:
        return bool(self.browser.find_elements(By.CSS_SELECTOR, css))

    def text(self, css: str) -> str:
        return str(self.find(css).text)

    def type(self, css: str, text: str) -> None:
        field_ = self.find(css)
        field_.clear()
        field_.send_keys(text)

    def press(self, css: str) -> None:
        """Clicks and waits for the next page."""
        before = self.find("html")
        self.find(css).click()
        self.wait(lambda: _gone(before) and self.has("h1, #allow"))
        self.look()

    def look(self) -> None:
        self.seen += [self.browser.page_source, self.browser.current_url]

    def wait(self, done: Callable[[], bool]) -> None:
        WebDriverWait(self.browser, PATIENCE, 0.05).until(lambda _: done())

    @property
    def problem(self) -> str | None:
        return self.find("#problem").get_attribute("data-problem") if self.has("#problem") else None

    def choose(self, address: str, way: str) -> None:
        self.type("#address", address)
        self.find(f"input[value={way}]").click()
        self.press("button.main")

    def install(self, **changed: str) -> None:
        client = self.server.tokens.client
        for name, text in {"client_id": client.client_id, "client_secret": client.client_secret, **changed}.items():
            self.type(f"#{name}", text)
        self.press("button.main")

    def to_consent(self, **changed: str) -> None:
        """Goes to amoCRM's consent page, by OAuth."""
        self.choose("example.amocrm.ru", "oauth")
        self.install(**changed)
        self.press("#grant")

    def paste(self, text: str) -> None:
        if self.has("details.aside:not([open])"):
            self.find("details.aside summary").click()
        field_ = self.find("#pasted")
        field_.clear()
        field_.click()
        self.browser.execute_cdp_cmd("Input.insertText", {"text": text})
        self.press("form[action='/access'] button")

    def finish(self) -> tuple[int, str]:
        """Presses the last button. Returns the command's exit code and output."""
        self.press("form[action='/finish'] button")
        code = self.process.wait(PATIENCE)
        return code, self.output()

    def output(self) -> str:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        self.printed += [out, err]
        return "".join(self.printed)

    def console(self) -> list[str]:
        """Returns the browser's console messages since the last call."""
        entries = [str(entry) for entry in self.browser.get_log("browser")]  # type: ignore[no-untyped-call]
        self.seen += entries
        return entries

    def shoot(self, file: Path, scale: float = 1.5) -> None:
        """Saves a picture of the whole page, however long it is."""
        file.parent.mkdir(parents=True, exist_ok=True)
        size = "const e = document.documentElement; return [e.clientWidth, document.body.offsetHeight]"
        width, height = self.browser.execute_script(size)
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        assert self.browser.save_screenshot(str(file))
        self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def leaks(self) -> list[str]:
        """Returns the lines with a secret in pages, addresses, history, console and terminal."""
        history = self.browser.execute_cdp_cmd("Page.getNavigationHistory", {})
        # amoCRM's own page is not checked; requests to /callback are redirected and must leave no trace
        self.console()
        everything = [*self.seen, str(history), self.output()]
        return [line for text in everything for line in leaks(text)]


def _gone(element: WebElement) -> bool:
    try:
        element.is_enabled()
    except WebDriverException:
        return True
    return False


@contextmanager
def connect(browser: webdriver.Chrome, folder: Path, language: str = "en", port: int = 0) -> Iterator[Page]:
    """Starts the command in `folder` and opens its link. `port`: 0 for a free one."""
    port = port or free_port()
    account = Account.generate(seed=1, leads=20)
    tokens = Tokens(account, client=Client(redirect_uri=f"http://localhost:{port}/callback"))
    with Server(account, tokens=tokens, rate=OFF) as server:
        command = ["connect", "--port", str(port)]
        command += ["--consent-url", f"{server.url}/oauth", "--api-base-url", server.url]
        unset = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "LC_ALL", "LC_MESSAGES")
        environment = {**dict.fromkeys(unset), "LANG": f"{language}_XX.UTF-8"}
        process = Forked(command, environment, UNPACED, stderr_apart=True, cwd=folder)
        page = Page(browser, process, server, folder / "config.json", f"http://localhost:{port}")
        try:
            browser.delete_all_cookies()
            agent = browser.execute_script("return navigator.userAgent")
            override = {"userAgent": agent, "acceptLanguage": ACCEPTED[language]}
            browser.execute_cdp_cmd("Emulation.setUserAgentOverride", override)
            browser.get(_link(page))
            page.look()
            yield page
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def _link(page: Page) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        line = page.process.stdout.readline()
        page.printed.append(line)
        found = re.search(r"http://localhost:\d+/start\?key=\S+", line)
        if found:
            return found.group()
        assert line, page.process.stderr.read()
    raise AssertionError("no link was printed")
