"""Drives the report in Chromium: reads what it shows, and chooses scope, period and people."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from amocrm_warehouse.database import reading
from amocrm_warehouse.report import page_data, report_page

from . import forked
from .leaks import clean

READ = """
  const value = (cell) => cell.dataset.value === undefined ? null : cell.dataset.value;
  const cells = (part) => part ? [...part.rows].map((row) => [...row.cells].map(value)) : [];
  return Object.fromEntries([...document.querySelectorAll("main > .card")].map((card) => [card.id, {
    tables: [...card.querySelectorAll("table")].map((table) => cells(table.tBodies[0])),
    totals: [...card.querySelectorAll("table")].map((table) => cells(table.tFoot)),
    captions: [...card.querySelectorAll("caption")].map((caption) => caption.textContent),
    none: (card.querySelector(".none") || {}).textContent,
    notes: [...card.querySelectorAll(".note, .warning, .insight")].map((note) => note.textContent),
  }]));
"""
FINGERPRINT = """
  const made = [Date.now, window.requestIdleCallback, URL.createObjectURL, HTMLAnchorElement.prototype.click];
  const functions = [...made, ...SECTIONS.map(({ count }) => count)].map(String);
  const text = JSON.stringify([functions, SECTIONS, DATA, TABLES, TEXTS, METRICS, BLOCKS]);
  let found = 0;
  for (let place = 0; place < text.length; place += 1) found = (31 * found + text.charCodeAt(place)) | 0;
"""
"""Of what tests change in an opened page: its data, and functions."""
VISIT = f"""
  {FINGERPRINT}
  if (window.asOpened !== found) return false;
  find("#list").close();
  delete document.documentElement.dataset.theme;
  [find(".filters").open, find(".more").open] = [!isPhone(), false];
  history.replaceState(null, "", `#language=${{arguments[0]}}`);
  readAddress();
  scrollTo(0, 0);
  show();
  return true;
"""
CHOOSE = """
  for (const [name, value] of Object.entries(arguments[0])) {
    const one = document.getElementById(name);
    if (one.value === value) continue;
    one.value = value;
    one.onchange({target: one});
  }
"""
SHOW = "const done = show(); finish(); return done;"
"""Shows the page anew, and draws all of it at once."""
UNFOLD = """
  const css = arguments[0] ? `#${arguments[0]}` : "main > .card";
  for (const button of document.querySelectorAll(`${css}.folded h2 button`)) button.click();
  for (const button of document.querySelectorAll(`${css} .as-table[aria-expanded=false]`)) button.click();
"""
FIGURES = """
  const all = [...document.querySelectorAll(`#${arguments[0]} .figure`)];
  return Object.fromEntries(all.map((one) => [one.dataset.id, one.dataset.value]));
"""
MARKS = """
  const all = [...document.querySelectorAll(`.chart.${arguments[0]} svg path[aria-label]`)];
  return all.map((mark) => mark.getAttribute("aria-label"));
"""
LABELS = """
  const all = document.querySelectorAll(`.chart.${arguments[0]} svg .mark-text.role-mark text`);
  return [...all].map((one) => one.textContent);
"""


def write(
    database: str, path: Path, unread: list[str] | None = None, limit: int | None = None, sources: int | None = None
) -> None:
    """Writes the report from the existing marts, without building them. `sources`: the most for one account."""
    defaults = (limit, None, page_data.EVERYTHING) if limit else report_page.page.__defaults__
    with (
        patch.object(report_page.page, "__defaults__", defaults),
        patch.object(page_data, "SOURCES_SHOWN", sources or page_data.SOURCES_SHOWN),
        reading(database) as run,
    ):
        report_page.write(path, run, unread or [])


@dataclass
class Report:
    browser: webdriver.Chrome

    def open(self, path: Path, language: str = "en") -> None:
        """Loads the page, and shows it in a language as on a first visit."""
        self.browser.get("about:blank")  # so that an address of the same file is no step within the page
        self.browser.get(f"{path.as_uri()}#language={language}")
        self.wait()
        self.script(f"{FINGERPRINT} window.asOpened = found;")

    def visit(self, path: Path, language: str = "en") -> None:
        """Shows the page as `open` does, and loads it only if it is not there or a test has changed it."""
        is_there = self.browser.current_url.partition("#")[0] == path.as_uri()
        if is_there and self.script(VISIT, language):
            self.wait()
        else:
            self.open(path, language)

    def wait(self) -> None:
        shown = "return document.documentElement.dataset.shown"
        WebDriverWait(self.browser, 600, 0.05).until(lambda _: self.script(shown))

    def press(self, css: str) -> None:
        self.browser.find_element("css selector", css).click()
        self.wait()

    def choose(self, scope: str, period: str, who: str = "") -> None:
        """Chooses, and draws everything at once, as for paper: section by section, each would cost a layout."""
        self.script(f"{CHOOSE} finish();", {"scope": scope, "period": period, "who": who})
        self.wait()

    def chosen(self) -> tuple[date, date]:
        """Returns the first and the last day of the chosen period, which ends today at the latest."""
        days = "[state.period.first, Math.min(state.period.last, todayOf(state.scope.project))].map(textOf)"
        first, last = map(date.fromisoformat, self.script(f"return {days}"))
        return first, last

    def since(self) -> date:
        """Returns the first day with data of the chosen account."""
        return date.fromisoformat(self.script("return textOf(sinceOf(state.scope.project))"))

    def script(self, code: str, *arguments: Any) -> Any:
        return self.browser.execute_script(code, *arguments)

    def options(self, name: str) -> dict[str, str]:
        found = self.script(
            "return [...document.getElementById(arguments[0]).options].map((o) => [o.value, o.text])", name
        )
        return {value: str(text) for value, text in found}

    def sections(self) -> dict[str, Any]:
        found: dict[str, Any] = self.script(READ)
        for section in found.values():
            for part in ("tables", "totals"):
                section[part] = [[[number(cell) for cell in row] for row in rows] for rows in section[part]]
        return found

    def unfold(self, section: str = "") -> None:
        """Opens a section, or all, and shows the rows of charts as tables, as a person does by touches."""
        self.script(UNFOLD, section)
        self.wait()

    def figures(self, of: str = "figures") -> dict[str, Any]:
        return {name: number(value) for name, value in self.script(FIGURES, of).items()}

    def marks(self, chart: str) -> list[dict[str, str]]:
        """Returns the label for screen readers of each mark in the charts."""
        labels = [str(mark).replace("\u200b", "") for mark in self.script(MARKS, chart)]
        return [dict(part.split(": ", 1) for part in label.split("; ")) for label in labels]

    def labels(self, chart: str) -> list[str]:
        """Returns the texts beside the bars of the charts."""
        return [str(text) for text in self.script(LABELS, chart)]


def number(value: Any) -> Any:
    try:
        return round(float(value), 4)
    except (TypeError, ValueError):
        return value


@contextmanager
def on_a_phone(browser: webdriver.Chrome) -> Iterator[None]:
    """Lets the block see the page in the window of a phone."""
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def run(*arguments: str, database: str) -> subprocess.CompletedProcess[str]:
    """Runs `source-amocrm report`. Fails if it shows a secret."""
    environment = {"DB": database, "CI": "true"}
    done = forked.run(["report", "--quiet", *arguments], environment)
    clean(done.stdout + done.stderr)
    return done


def contents(page: Path) -> dict[str, Any]:
    """What a page holds, packed."""
    found = re.search(r'id="data">([^<]+)<', page.read_text(encoding="utf-8"))
    assert found is not None
    first: dict[str, Any]
    first, *tables = map(json.loads, zlib.decompress(base64.b64decode(found[1])).splitlines())
    return first | {"tables": dict(zip(first["tables"], tables, strict=True))}


def unpacked(page: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table of a page."""
    tables = {}
    for name, table in contents(page)["tables"].items():
        columns = {column: unfolded(of) for column, of in table.items()}
        tables[name] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return tables


def unfolded(column: Any) -> list[Any]:
    if isinstance(column, list):
        return column
    if "of" in column:
        return [column["of"][place] for place in column["at"]]
    last, told = 0, []
    for by in column.get("days", column.get("numbers")):
        last += by or 0
        told.append(None if by is None else last)
    return told
