"""Measures the report's page in Chromium: how long its main thread works until figures and sections are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver

from testing.connect_page import chromium

from .line import Line

DEVICES = {"a desk": (1, (1280, 900), 0.5, 0.4), "a phone": (4, (390, 844), 2.0, 1.5)}
"""How many times slower the CPU is, the window, and the limits for the first figures and for all in view of a choice
(seconds)."""
TIMES = 3
"""How often the page is opened. The slowest counts."""
CHOICES = {"all time": ("month", "#period", "all"), "a tag": ("month", "#more select", "2"),
           "any tag": ("funnel", "#more select", "0"), "a manager": ("month", "#who", None),
           "a pipeline": ("sources", "#scope", None)}  # fmt: skip
"""By name: the section that is in view, the list and the value to choose in it; None: its second one. Each choice is
added to those before."""
MARKS = """
window.markWhen = (name, isSo) => {
  const look = () => { if (isSo()) setTimeout(() => performance.mark(name)); else requestAnimationFrame(look); };
  requestAnimationFrame(look);
};
window.isShown = () => document.documentElement.dataset.shown !== undefined;
window.isInView = (element) => {
  const { top, bottom, height } = element.getBoundingClientRect();
  return height > 0 && bottom > 0 && top < innerHeight;
};
window.isRightInView = () => [...document.querySelectorAll('[aria-busy] > .inside, .chart:not(:has(svg))')]
  .every((element) => !isInView(element));
performance.mark('opened');
markWhen('opened: figures', () => document.querySelector('#figures .figure') !== null);
markWhen('opened: sections', isShown);
"""
"""Marks the opening of a page, and when its first figures and then all its sections have been painted. In view is what
has a part in the window; it is right if no section of it is to be drawn for the choice, and no chart missing."""
CHOOSE = """
const [name, section, css, value] = arguments;
goTo(section);
const list = document.querySelector(css);
list.value = value === null ? list.querySelectorAll('option')[1].value : value;
performance.mark(name);
list.onchange({ target: list });
markWhen(`${name}: in view`, isRightInView);
markWhen(`${name}: sections`, isShown);
"""
TASKS = "toplevel"
"""The trace's category of the tasks of a thread."""
WAIT = """
const [name, done] = arguments;
const look = () => { if (performance.getEntriesByName(name).length) done(); else setTimeout(look, 100); };
look();
"""


def page_speed(page: Path, name: str) -> Iterator[Line]:
    """A line for each device. `name`: of the account."""
    for device, (slower, (width, height), on_opening, on_choice) in DEVICES.items():
        with chromium(trace=f"blink.user_timing,{TASKS}") as browser:
            browser.set_script_timeout(600)
            browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": MARKS})
            browser.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": slower})
            window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": slower > 1}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
            found = [_measured(browser, page) for _ in range(TIMES)]
        slowest = {moment: max(times[moment] for times in found) for moment in found[0]}
        chosen = {
            part: max((slowest[f"{one}: {part}"], one) for one in CHOICES) for part in ("in view", "task", "sections")
        }
        figures = {
            "first figures": f"{slowest['opened: figures']:.2f} s of {on_opening} s",
            "all sections": f"{slowest['opened: sections']:.2f} s",
            "in view after a choice": f"{chosen['in view'][0]:.2f} s of {on_choice} s ({chosen['in view'][1]})",
            "its longest task": f"{chosen['task'][0]:.2f} s ({chosen['task'][1]})",
            "all sections after it": f"{chosen['sections'][0]:.2f} s ({chosen['sections'][1]})",
        }
        held = slowest["opened: figures"] <= on_opening and chosen["in view"][0] <= on_choice
        yield Line(f"{name}, the page on {device}: CPU of its main thread", figures, held)


def _measured(browser: webdriver.Chrome, page: Path) -> dict[str, float]:
    """Opens the page and chooses. Returns the CPU seconds of its main thread from each beginning to each mark."""
    browser.get("about:blank")
    browser.get_log("performance")  # type: ignore[no-untyped-call]
    browser.get(page.as_uri())
    browser.execute_async_script(WAIT, "opened: sections")
    for choice, (section, css, value) in CHOICES.items():
        browser.execute_script(CHOOSE, choice, section, css, value)
        browser.execute_async_script(WAIT, f"{choice}: sections")
    browser.get("about:blank")  # ends the trace
    entries = browser.get_log("performance")  # type: ignore[no-untyped-call]
    events: list[dict[str, Any]] = [
        message["params"]
        for message in (json.loads(entry["message"])["message"] for entry in entries)
        if message["method"] == "Tracing.dataCollected"
    ]
    [(process, thread)] = {
        (event["pid"], event["tid"]) for event in events if event["name"] == "opened: sections" and "tts" in event
    }
    own = [event for event in events if (event["pid"], event["tid"]) == (process, thread) and "tts" in event]
    at = {event["name"]: event["tts"] / 1e6 for event in own}
    tasks = [(event["tts"] / 1e6, event["tdur"] / 1e6) for event in own if event["cat"] == TASKS and "tdur" in event]
    longest = {
        f"{choice}: task": max(took for began, took in tasks if at[choice] < began + took < at[f"{choice}: sections"])
        for choice in CHOICES
    }
    return longest | {name: cpu - at[name.partition(":")[0]] for name, cpu in at.items() if ": " in name}
