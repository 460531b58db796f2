"""`source-amocrm invite` as it is met: the command, its page in Chromium, and a thousand forged posts at once."""

from __future__ import annotations

import http.client
import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from sandbox import OFF, Account, Server, Tokens
from sandbox.external import Order
from testing import forked
from testing.connect_page import PATIENCE
from testing.forked import UNPACED, Forked
from testing.leaks import leaks
from testing.ports import free_port

CLIENT = "0b0832f6-d123-4123-9123-e73f236833cf"


@dataclass
class Invited:
    process: Forked
    port: int
    server: Server
    accounts: Path
    links: list[str]
    printed: list[str] = field(default_factory=list)

    def post(self, body: bytes) -> int:
        return self._status("POST", "/secrets", body, {"Content-Type": "application/json"})

    def get(self, path: str) -> int:
        return self._status("GET", path, None, {})

    def _status(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> int:
        """0 where the connection was closed: no more than so many are taken at a time."""
        connection = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def config(self) -> dict[str, Any]:
        held: dict[str, Any] = json.loads((self.accounts / "example.json").read_text())
        return held

    def end(self) -> str:
        """Everything that was printed."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE)
        return "".join([*self.printed, out, err])


@contextmanager
def invited(folder: Path, *more: str) -> Iterator[Invited]:
    port, account = free_port(), Account.generate(seed=1, leads=20)
    with Server(account, tokens=Tokens(account), rate=OFF) as server:
        command = ["invite"]
        command += ["--public-url", f"http://localhost:{port}", "--port", str(port), "--accounts", str(folder), *more]
        command += ["--consent-url", f"{server.url}/oauth", "--api-base-url", server.url]
        process = Forked(command, {}, UNPACED, stderr_apart=True)
        world = Invited(process, port, server, folder, [])
        try:
            while "listens on" not in (line := process.stdout.readline()):
                assert line or process.poll() is None, process.stderr.read()
                world.printed.append(line)
                world.links += re.findall(r"http://localhost:\d+/i/\S+", line)
            world.printed.append(line)
            yield world
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def wait(browser: webdriver.Chrome, done: Callable[[], object]) -> None:
    WebDriverWait(browser, PATIENCE, 0.05).until(lambda _: done())


@pytest.mark.parametrize("order", ["secrets_first", "code_first"])
def test_an_administrator_presses_allow(browser: webdriver.Chrome, tmp_path: Path, order: Order) -> None:
    with invited(tmp_path / "accounts") as world:
        world.server.sandbox.consent.external.order = order
        seen: list[str] = []

        browser.get(world.links[0])
        for css in ("#grant", "#allow", "#landed"):
            wait(browser, lambda css=css: browser.find_elements(By.CSS_SELECTOR, css))  # type: ignore[misc]
            seen.append(browser.page_source)
            if css != "#landed":
                browser.find_element(By.CSS_SELECTOR, css).click()
        seen.append(browser.current_url)
        assert browser.find_element(By.CSS_SELECTOR, "#name").text == world.server.sandbox.account.name
        assert world.config()["credentials"]["client_id"] == world.server.tokens.client.client_id
        browser.get(world.links[0])
        assert browser.find_element(By.CSS_SELECTOR, "h1").text == "This invitation has been used"
        posted = world.server.sandbox.consent.external.posted
        wait(browser, lambda: posted)
        printed = world.end()
    assert posted == [200]
    assert [line for text in (*seen, printed) for line in leaks(text)] == []


def test_the_keys_are_posted_late_to_a_page_that_forgot_them(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with invited(tmp_path / "accounts") as world:
        browser.get(world.links[0])
        browser.find_element(By.CSS_SELECTOR, "#grant").click()
        wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#allow"))
        address = browser.current_url.replace("state=", "state=forged")
        browser.get(address)
        browser.find_element(By.CSS_SELECTOR, "#allow").click()
        wait(browser, lambda: "(Code " in browser.page_source)
        assert browser.find_element(By.CSS_SELECTOR, "h1").text == (
            "Произошла ошибка создания, обратитесь к разработчику интеграции. (Code 404)"
        )
        assert list((tmp_path / "accounts").glob("*.json")) == []


def test_a_thousand_forged_posts_and_the_page_lives(tmp_path: Path) -> None:
    with invited(tmp_path / "accounts") as world:
        forged = json.dumps({"client_id": CLIENT, "client_secret": "x" * 40, "state": "forged"}).encode()
        statuses: list[int] = []

        def flood() -> None:
            for _ in range(125):
                statuses.append(world.post(forged))

        threads = [threading.Thread(target=flood) for _ in range(8)]
        for thread in threads:
            thread.start()
        path = world.links[0].partition(f":{world.port}")[2]
        assert next(status for status in iter(lambda: world.get(path), None) if status) == 303
        for thread in threads:
            thread.join()
        assert len(statuses) == 1000
        assert set(statuses) <= {404, 0}
        assert statuses.count(404) > 0
        assert list((tmp_path / "accounts").glob("*.json")) == []
        assert world.process.poll() is None


@pytest.mark.parametrize("days", ["0", "-1", "nan", "inf", "x"])
def test_a_link_works_for_some_time(tmp_path: Path, days: str) -> None:
    command = ["invite", "--links-only", "--public-url", "http://localhost:1", "--accounts", str(tmp_path / "accounts")]
    done = forked.run([*command, f"--days={days}"])
    assert done.returncode == 2
    assert done.stderr.endswith("argument --days: a number of days above 0\n")


def test_links_for_a_page_that_is_served_already(tmp_path: Path) -> None:
    with invited(tmp_path / "accounts", "--count", "0") as world:
        assert world.links == []
        command = ["invite", "--links-only"]
        command += ["--public-url", f"http://localhost:{world.port}", "--accounts", str(tmp_path / "accounts")]
        done = forked.run([*command, "--account", "a.amocrm.ru", "--account", "b.kommo.com"])
        assert done.returncode == 0, done.stderr
        found = re.findall(r"http://localhost:\d+(/i/\S+)   (\S+)", done.stdout)
        assert [account for _, account in found] == ["a.amocrm.ru", "b.kommo.com"]
        for path, account in found:
            connection = http.client.HTTPConnection("localhost", world.port, timeout=PATIENCE)
            connection.request("GET", path)
            location = connection.getresponse().headers["Location"]
            connection.close()
            connection.request("GET", location.partition(f":{world.port}")[2])
            assert account in connection.getresponse().read().decode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--public-url", "http://connect.example.com"],
            "source-amocrm invite: --public-url: give the https:// address at which your proxy serves this page, "
            "with nothing behind it.\n",
        ),
        (
            ["--public-url", "https://connect.example.com", "--account", "example.com"],
            "source-amocrm invite: Account address (account_domain): this is not the address of an amoCRM or Kommo "
            "account. Type it as your browser shows it when amoCRM is open, for example example.amocrm.ru; it ends "
            "with amocrm.ru, amocrm.com or kommo.com.\n",
        ),
        (
            ["--public-url", "https://connect.example.com", "--accounts", "/proc/accounts"],
            "source-amocrm invite: /proc/accounts cannot be written: No such file or directory.\n",
        ),
    ],
)
def test_what_cannot_be_served_is_told(arguments: list[str], said: str) -> None:
    done = forked.run(["invite", *arguments])
    assert (done.stderr, done.stdout, done.returncode != 0) == (said, "", True)
