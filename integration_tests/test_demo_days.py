"""The demo on the first, a middle and the last day of a month: people, their work, and a page that says what to do."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from sandbox import Account, business
from testing import demo_account, models
from testing.demo_account import MOSCOW
from testing.report_page import Report, on_a_phone

pytestmark = pytest.mark.at_length

DAYS = {
    "first": datetime(2026, 12, 1, 11, 5),
    "middle": datetime(2026, 10, 15, 16, 40),
    "last": datetime(2026, 9, 30, 10, 20),
}
DESK, PHONE = (1440, 900), (390, 844)
Made = tuple[Account, int, str]


@pytest.fixture(scope="module", params=DAYS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The account, the moment (unix seconds) and the database with the report beside it."""
    now = int(DAYS[request.param].replace(tzinfo=MOSCOW).timestamp())
    account = demo_account.account(now)
    return account, now, demo_account.report(account, now, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def page(browser: webdriver.Chrome, made: Made) -> Any:
    """The page on a desk, in Russian."""
    width, height = DESK
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    opened = Report(browser)
    opened.visit(Path(made[2]).with_name("report.html"), "ru")
    yield opened
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_tasks_pile_up_as_in_life(made: Made) -> None:
    """Their texts fit their types, and some of the deals are won on a Saturday."""
    account, now, _ = made
    tasks = [task for task in account.tables["tasks"] if not task["is_completed"]]
    opened = Counter(task["responsible_user_id"] for task in tasks)
    overdue = Counter(task["responsible_user_id"] for task in tasks if task["complete_till"] < now)
    sellers = list(account.users)[: business.LEFT]
    assert opened.keys() == set(sellers)
    assert all(15 <= opened[user] <= 40 for user in sellers), opened
    assert all(3 <= overdue[user] <= 10 for user in sellers), overdue
    assert {(task["task_type_id"], task["text"]) for task in tasks} <= set(business.TASKS)
    won = [row for row in account.tables["leads"] if row["status_id"] == 142]
    closed = Counter(datetime.fromtimestamp(row["closed_at"], MOSCOW).weekday() for row in won)
    assert 0.03 < closed[5] / len(won) < 0.15
    assert 6 not in closed


def test_people_answer_and_call_at_all_hours_of_the_day(made: Made) -> None:
    account, _, _ = made
    at = Counter(datetime.fromtimestamp(event.created_at, MOSCOW).hour for event in account.events if event.created_by)
    hours = [at[hour] for hour in range(business.OPENS, business.CLOSES)]
    assert min(hours) > 0.7 * max(hours), hours


def test_fast_answers_win_more_often_and_plans_fit_their_people(made: Made) -> None:
    with models.asking(made[2]) as sql:
        speeds = sql(
            "SELECT working_seconds_to_first_response <= 900 AS fast, "
            "avg(CASE WHEN stage_kind = 'won' THEN 1 ELSE 0 END) AS rate FROM amocrm_marts.deals "
            "WHERE stage_kind IN ('won', 'lost') AND NOT is_deleted "
            "AND working_seconds_to_first_response IS NOT NULL GROUP BY 1 ORDER BY 1"
        )
        shares = sql(
            "SELECT responsible_name, sum(won_budget) / sum(plan) AS share FROM amocrm_marts.sales_plan "
            "WHERE plan IS NOT NULL AND month < "
            "date_trunc('month', (SELECT max(built_at) FROM amocrm_marts.freshness)) GROUP BY 1"
        )
    slow, fast = [row["rate"] for row in speeds]
    assert fast > 1.2 * slow
    assert len(shares) >= 5
    assert all(0.5 < row["share"] < 1.7 for row in shares), shares


def test_four_new_leads_are_untouched(made: Made) -> None:
    account, now, _ = made
    touched = {note["entity_id"] for note in account.tables["leads/notes"]} | {
        talk["entity_id"] for talk in account.talks
    }
    with_task = {task["entity_id"] for task in account.tables["tasks"]}
    accepted = {pipeline["statuses"][1]["id"] for pipeline in account.pipelines}
    new = [row for row in account.tables["leads"] if row["created_at"] >= now - 60 * business.UNTOUCHED[0]]
    new = [row for row in new if row["status_id"] in accepted]
    assert len([row for row in new if row["id"] not in touched | with_task]) == len(business.UNTOUCHED) == 4


def test_the_page_says_whom_to_call_and_who_is_where(page: Report) -> None:
    """On each of the days: people with plans, a queue for each, lists behind its numbers."""
    people = page.sections()["people"]["tables"][0]
    assert len(people) >= 5
    assert all(row[1] for row in people[:5])
    queue = page.script(QUEUE)
    assert len(queue["managers"]) >= 5  # people, and the deals to clean up
    assert queue["phones"] > 5
    assert queue["tasks"] > 5
    page.unfold("today")
    [number] = page.script(WITHOUT_TASK)
    page.script("document.querySelector('#today .insight .opens').click()")
    rows, saved = page.script(LIST)
    assert rows == int(number)
    head, *lines = saved.replace("\ufeff", "").split("\r\n")
    assert head.startswith('"Карточка";"Клиент";"Менеджер";"Этап"')
    assert len(lines) == rows


QUEUE = """
  const all = (css) => document.querySelectorAll(`#queue ${css}`).length;
  return {
    managers: [...document.querySelectorAll("#queue summary")].map((one) => one.textContent),
    phones: all("td a[href^='tel:+7']"), tasks: all("td.reasons small"),
  };
"""
WITHOUT_TASK = "return [find('#today .insight .opens').textContent]"
LIST = """
  let saved;
  URL.createObjectURL = (blob) => { saved = blob; return "#"; };
  HTMLAnchorElement.prototype.click = () => {};
  find("#list > button:not(.close)").click();
  return saved.text().then((text) => [Number(find("#list .lead").textContent.match(/\\d+/)[0]), text]);
"""


def test_the_page_is_short_until_something_is_opened(page: Report, made: Made) -> None:
    """Six parts are open; of the others one line says what is in them; each of all names its days."""
    parts = page.script("return [...find('main').children].map((one) => [one.id, one.classList.contains('folded')])")
    ended = ["ended"] if parts[0][0] == "ended" else []  # in the first days of a month
    assert bool(ended) == (datetime.fromtimestamp(made[1], MOSCOW).day <= 5)
    assert [name for name, is_folded in parts if not is_folded] == [
        *ended, "month", "figures", "queue", "people", "money", "funnel",
    ]  # fmt: skip
    told = page.script("return [...document.querySelectorAll('.folded .brief')].map((one) => one.textContent)")
    assert len(told) == len(parts) - 6 - len(ended)
    assert all(told)
    assert all(page.script("return [...document.querySelectorAll('.when')].map((one) => one.textContent)"))
    height = "return document.documentElement.scrollHeight / innerHeight"
    assert page.script(height) <= 6
    with on_a_phone(page.browser):
        page.script("location.reload()")
        page.wait()
        assert page.script(height) <= 8
        assert page.script("return document.documentElement.scrollWidth") == PHONE[0]


def test_the_choice_and_the_contents_stay_in_reach(page: Report) -> None:
    """The contents mark where one is. A skip link leads past twelve stops of Tab at most to the first figure."""
    page.script("location.reload()")  # nothing was touched yet
    page.wait()
    for _ in range(12):
        page.browser.switch_to.active_element.send_keys(Keys.TAB)
        if page.script("return document.activeElement.closest('main') !== null"):
            break
    assert page.script("return document.activeElement.closest('#ended, #month') !== null")
    for size in (DESK, PHONE):
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        page.script("location.reload()")
        page.wait()
        page.script("goTo('money')")
        page.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        place = "return [find('[aria-current]').dataset.at, find('.filters').getBoundingClientRect().top]"
        assert page.script(place) == ["money", 0]
    page.script("find('.skip').click()")
    assert page.script("return document.activeElement.id") == "main"


AXE = "axe_playwright_python/axe.min.js"
RUN_AXE = """
  const [options, done] = arguments;
  const told = ({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
  axe.run(document, options).then((found) => done(told(found)));
"""
ALIKE = """
  const made = (one) => one.outerHTML
    .replace(/>[^<]*[^<\\s][^<]*</g, ">text<")
    .replace(/ (?!class|style|role)[\\w-]+="[^"]*"/g, "");
  const repeated = document.querySelectorAll("tbody > tr, li, option, svg g > *");
  for (const parent of new Set([...repeated].map((one) => one.parentElement))) {
    const met = new Map();
    for (const one of [...parent.children]) {
      const form = made(one);
      met.set(form, (met.get(form) || 0) + 1);
      if (met.get(form) > 2) one.remove();
    }
  }
"""
"""Leaves two of all rows, points and marks of one list that differ in texts alone: axe takes long to tell colours."""
COLOURS = ["color-contrast", "link-in-text-block"]
"""Of the rules that axe applies by default, those of colours."""


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_axe_finds_nothing(browser: webdriver.Chrome, made: Made, size: tuple[int, int], is_open: bool) -> None:
    """By the rules of colours in both themes, between which nothing else differs."""
    script = Path(str(distribution("axe-playwright-python").locate_file(AXE))).read_text(encoding="utf-8")
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.set_script_timeout(300)
    try:
        page = Report(browser)
        page.visit(Path(made[2]).with_name("report.html"), "ru")
        if is_open:
            page.unfold()
        page.script(script)
        others = {"rules": {rule: {"enabled": False} for rule in COLOURS}}
        assert browser.execute_async_script(RUN_AXE, others) == []
        page.script(ALIKE)
        for theme in ("light", "dark"):
            page.script("document.documentElement.dataset.theme = arguments[0]", theme)
            assert browser.execute_async_script(RUN_AXE, {"runOnly": COLOURS}) == [], theme
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_paper_there_is_the_queue_of_every_manager(page: Report) -> None:
    opened = "return [...document.querySelectorAll('#queue details')].map((one) => one.open)"
    before = page.script(opened)
    page.script("dispatchEvent(new Event('beforeprint'))")
    assert set(page.script(opened)) == {True}
    page.script("dispatchEvent(new Event('afterprint'))")
    assert page.script(opened) == before


def test_without_scripts_it_is_as_wide_as_the_window_and_in_the_language_of_the_account(
    browser: webdriver.Chrome, made: Made
) -> None:
    for width in (1100, 1440):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            browser.get(Path(made[2]).with_name("report.html").as_uri())
            root = browser.execute_cdp_cmd("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
            found = {
                css: browser.execute_cdp_cmd("DOM.querySelector", {"nodeId": root, "selector": css})["nodeId"]
                for css in (".plain", ".plain h2", "html")
            }
            box = browser.execute_cdp_cmd("DOM.getBoxModel", {"nodeId": found[".plain"]})["model"]
            assert box["width"] > 1000
            title = browser.execute_cdp_cmd("DOM.getOuterHTML", {"nodeId": found[".plain h2"]})["outerHTML"]
            assert title == "<h2>Очередь на сегодня</h2>"
            html = browser.execute_cdp_cmd("DOM.getOuterHTML", {"nodeId": found["html"]})["outerHTML"]
            assert html.startswith('<html lang="ru">')
        finally:
            browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
