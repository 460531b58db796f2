"""Invites accounts on this machine by `source-amocrm invite`, and grants access by a script in a browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from sandbox import Account, Server
from source_amocrm import atomic_file
from testing.connect_page import PATIENCE, chromium
from testing.ports import free_port

AT_A_TIME = 5
"""Accounts that are granted at a time. Each takes nine seconds: the page reads every list at amoCRM's rate limit."""


def grant_all(servers: dict[str, Server], folder: Path) -> None:
    """Grants each account, so that `folder` has a config NAME.json that leads to the account's server."""
    names = list(servers)
    parts = [{name: servers[name] for name in names[first::AT_A_TIME]} for first in range(AT_A_TIME)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(lambda part: _grant(part, folder), filter(None, parts)))


def _grant(servers: dict[str, Server], folder: Path) -> None:
    """Grants the accounts one after another, all invited by one page.

    One server stands in for amoCRM's site and shows the account of whoever is signed in. As there is no DNS for the
    accounts' addresses, the account's own server is written into the config at the end.
    """
    with Server(Account()) as site, _page(site.url, folder, len(servers)) as links, chromium() as browser:
        for (name, server), link in zip(servers.items(), links, strict=True):
            server.account.subdomain = name
            site.sandbox, server.sandbox.base = server.sandbox, site.url
            _allow(browser, link)
            server.sandbox.base = server.url
            config = folder / f"{name}.json"
            settings = json.loads(config.read_text())
            atomic_file.write(config, atomic_file.json_text({**settings, "api_base_url": server.url}))


def _allow(browser: webdriver.Chrome, link: str) -> None:
    browser.get(link)
    browser.find_element(By.CSS_SELECTOR, "#grant").click()
    browser.find_element(By.CSS_SELECTOR, "#allow").click()
    WebDriverWait(browser, PATIENCE, 0.02).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#landed"))


@contextmanager
def _page(site: str, folder: Path, count: int) -> Iterator[list[str]]:
    """Runs `source-amocrm invite` and yields the links that it prints."""
    port = free_port()
    command = [sys.executable, "-c", "from source_amocrm.run import run; run()", "invite", "--count", str(count)]
    command += ["--public-url", f"http://localhost:{port}", "--port", str(port), "--accounts", str(folder)]
    command += ["--consent-url", f"{site}/oauth", "--api-base-url", site]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        printed = ""
        while "listens on" not in printed:
            line = process.stdout.readline()
            assert line, "the page of invitations has ended"
            printed += line
        yield re.findall(r"http://localhost:\d+/i/\S+", printed)
    finally:
        process.terminate()
        process.communicate()
