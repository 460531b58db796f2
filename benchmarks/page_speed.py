"""Measures the report's page in Chromium: how long its main thread works until figures and sections are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver

from testing.connect_page import chromium

from .line import Line

DEVICES = {"a desk": (1, 1.0, 0.5), "a phone": (4, 4.0, 2.0)}
"""How many times slower the CPU is, and the limits for the first figures, on opening and after a choice (seconds)."""
TIMES = 3
"""How often the page is opened. The slowest counts."""
CHOICES = {"all time": ("#period", "all"), "a tag": ("#more select", "2"), "any tag": ("#more select", "0"),
           "a manager": ("#who", None), "a pipeline": ("#scope", None)}  # fmt: skip
"""By name: the list and the value to choose in it; None: its second one. Each is added to those before."""
MARKS = """
window.markWhen = (name, isSo) => {
  const look = () => { if (isSo()) setTimeout(() => performance.mark(name)); else requestAnimationFrame(look); };
  requestAnimationFrame(look);
};
window.isShown = () => document.documentElement.dataset.shown !== undefined;
performance.mark('opened');
markWhen('opened: figures', () => document.querySelector('#figures .figure') !== null);
markWhen('opened: sections', isShown);
"""
"""Marks the opening of a page, and when its first figures and then all its sections have been painted."""
CHOOSE = """
const [name, css, value] = arguments;
const list = document.querySelector(css);
list.value = value === null ? list.querySelectorAll('option')[1].value : value;
performance.mark(name);
list.onchange({ target: list });
markWhen(`${name}: figures`, () => true);
markWhen(`${name}: sections`, isShown);
"""
WAIT = """
const [name, done] = arguments;
const look = () => { if (performance.getEntriesByName(name).length) done(); else setTimeout(look, 100); };
look();
"""


def page_speed(page: Path, name: str) -> Iterator[Line]:
    """A line for each device. `name`: of the account."""
    for device, (slower, on_opening, on_choice) in DEVICES.items():
        with chromium(trace="blink.user_timing") as browser:
            browser.set_script_timeout(600)
            browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": MARKS})
            browser.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": slower})
            found = [_measured(browser, page) for _ in range(TIMES)]
        slowest = {moment: max(times[moment] for times in found) for moment in found[0]}
        chosen = {part: max((slowest[f"{one}: {part}"], one) for one in CHOICES) for part in ("figures", "sections")}
        figures = {
            "first figures": f"{slowest['opened: figures']:.2f} s of {on_opening} s",
            "all sections": f"{slowest['opened: sections']:.2f} s",
            "figures of a choice": f"{chosen['figures'][0]:.2f} s of {on_choice} s ({chosen['figures'][1]})",
            "its sections": f"{chosen['sections'][0]:.2f} s ({chosen['sections'][1]})",
        }
        held = slowest["opened: figures"] <= on_opening and chosen["figures"][0] <= on_choice
        yield Line(f"{name}, the page on {device}: CPU of its main thread", figures, held)


def _measured(browser: webdriver.Chrome, page: Path) -> dict[str, float]:
    """Opens the page and chooses. Returns the CPU seconds of its main thread from each beginning to each mark."""
    browser.get("about:blank")
    browser.get_log("performance")  # type: ignore[no-untyped-call]
    browser.get(page.as_uri())
    browser.execute_async_script(WAIT, "opened: sections")
    for choice, (css, value) in CHOICES.items():
        browser.execute_script(CHOOSE, choice, css, value)
        browser.execute_async_script(WAIT, f"{choice}: sections")
    browser.get("about:blank")  # ends the trace
    entries = browser.get_log("performance")  # type: ignore[no-untyped-call]
    events: list[dict[str, Any]] = [
        message["params"]
        for message in (json.loads(entry["message"])["message"] for entry in entries)
        if message["method"] == "Tracing.dataCollected"
    ]
    [process] = {event["pid"] for event in events if event["name"] == "opened: sections" and "tts" in event}
    at = {event["name"]: event["tts"] / 1e6 for event in events if event["pid"] == process and "tts" in event}
    return {name: cpu - at[name.partition(":")[0]] for name, cpu in at.items() if ": " in name}
