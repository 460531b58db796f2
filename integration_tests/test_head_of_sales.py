"""A head of sales in the account of `make demo`: what it shows, and what page and assistant answer in three steps."""

from __future__ import annotations

import base64
import csv
import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from shutil import copyfile
from typing import Any

import dagster as dg
import duckdb
import pytest
from selenium import webdriver

from amocrm_fleet import dagster_definitions
from amocrm_fleet.accounts_folder import accounts, add
from amocrm_fleet.status import LastSync, record
from amocrm_warehouse.database import reading
from amocrm_warehouse.report import first_screen
from amocrm_warehouse.report.choice import last_months
from amocrm_warehouse.report.report_words import Words
from sandbox import NOW, Account, ManualClock, business
from testing import demo_account, models
from testing.assistant import ask
from testing.demo_account import MOSCOW
from testing.hooks import PARTS, hook
from testing.report_numbers import on_day
from testing.report_page import CHOOSE, Report, on_a_phone, run
from testing.warehouse import ROOT

LAST, BEFORE = "2026-08", "2026-07"


@pytest.fixture(scope="module")
def account() -> Account:
    return demo_account.account(NOW)


@pytest.fixture(scope="module")
def database(account: Account, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The marts of the account, with the plans of the demo, and the report beside them."""
    return demo_account.report(account, NOW, tmp_path_factory.mktemp("head"))


def test_people_of_the_demo_work_in_office_hours(account: Account) -> None:
    at = [datetime.fromtimestamp(event.created_at, MOSCOW) for event in account.events if event.created_by]
    assert len(at) > 5_000
    saturdays = [moment.hour for moment in at if moment.weekday() == 5]
    assert {moment.weekday() for moment in at} == set(range(6))
    assert {moment.hour for moment in at} == set(range(business.OPENS, business.CLOSES))
    assert (len(saturdays) < len(at) / 50, set(saturdays) <= set(range(10, 14))) == (True, True)


def test_the_demo_looks_like_a_business(database: str) -> None:
    with models.asking(database) as sql:
        forecasts = sql(
            "SELECT months_back, expected FROM amocrm_marts.forecast WHERE pipeline_id IS NULL AND months_ahead = 0"
        )
        assert {row["months_back"] for row in forecasts} == set(range(7))
        assert sum(row["expected"] is not None for row in forecasts) >= 6
        [month] = sql(
            "SELECT median(seconds_to_first_response) / 60 AS touch, count(*) AS deals FROM amocrm_marts.deals "
            "WHERE created_at >= DATE '2026-06-01'"
        )
        assert 5 < month["touch"] < 60
        [chats] = sql(
            "SELECT median(working_seconds_to_first_response) / 60 AS answer, "
            "count(first_response_at) / count(*) AS answered FROM amocrm_marts.conversations"
        )
        assert 3 < chats["answer"] < 30
        assert 0.85 < chats["answered"] < 1
        [waits] = sql(
            "SELECT count(*) AS queue, (SELECT count(*) FROM amocrm_marts.deals WHERE stage_kind = 'open') AS open, "
            "(SELECT count(*) FROM amocrm_marts.stale_deals WHERE is_dead) AS dead FROM amocrm_marts.queue"
        )
        assert 10 <= waits["queue"] < waits["open"] * 0.6
        reasons = {row["reason"] for row in sql("SELECT DISTINCT reason FROM amocrm_marts.queue")}
        assert reasons - {"untouched"} == {"waiting", "missed_call", "task", "slow"}
        assert 0 < waits["dead"] < waits["open"] / 2
        [tasks] = sql("SELECT sum(tasks_due) AS due, sum(tasks_late) AS late FROM amocrm_marts.manager_activity")
        assert 0.05 < tasks["late"] / tasks["due"] < 0.3
        plans = sql("SELECT won_budget >= plan AS met, count(*) AS months FROM amocrm_marts.sales_plan "
                    "WHERE plan IS NOT NULL AND month < DATE '2026-09-01' GROUP BY met")  # fmt: skip
        assert {row["met"] for row in plans} == {True, False}
        assert min(row["months"] for row in plans) >= 8


@pytest.mark.parametrize("leads", [1, 10])
def test_a_business_may_be_as_small_as_one_deal(leads: int) -> None:
    small = business.account(1, leads, NOW, clock=ManualClock(NOW))
    assert leads <= len(small.tables["leads"]) <= leads + 10
    assert business.work(small, 5)


def test_people_go_on_working_in_the_demo() -> None:
    """A later run of the demo finds what people do: deals move to the next stage of their pipeline, or are lost."""
    again = business.account(1, 60, NOW, clock=ManualClock(NOW))
    before = {deal["id"]: deal for deal in again.tables["leads"]}
    tables = {name: len(again.tables[name]) for name in ("leads", "leads/notes")}
    done = Counter(business.work(again, 25))
    assert sum(done.values()) == 25
    assert len(again.tables["leads"]) == tables["leads"] + done["lead"]
    stages = {p["id"]: [status["id"] for status in p["statuses"]] for p in again.pipelines}
    for deal in again.tables["leads"]:
        old = before.get(deal["id"], deal)
        way = stages[deal["pipeline_id"]]
        steps = way.index(deal["status_id"]) - way.index(old["status_id"])
        assert deal["pipeline_id"] == old["pipeline_id"]
        assert steps in (0, 1) or deal["status_id"] == 143 or done["move"] >= steps > 1
    assert done["move"] > 0


def test_plans_of_the_demo_are_three_tenths_more_than_a_usual_month_by_the_season(
    account: Account, database: str
) -> None:
    sold: Counter[Any] = Counter()
    active = {user for user, row in account.users.items() if row["rights"]["is_active"]}
    for row in account.tables["leads"]:
        if row["status_id"] == 142 and row["responsible_user_id"] in active:
            closed = datetime.fromtimestamp(row["closed_at"], MOSCOW)
            sold[row["responsible_user_id"], 12 * closed.year + closed.month] += row["price"]
    user, month = list(account.users)[3], 12 * 2026 + 8
    year = [sum(n for (_, of), n in sold.items() if of == one) for one in range(month - 13, month)]
    season = sum(year[:3]) / 3 / (sum(year[1:]) / 12)
    usual = sum(sold[user, one] for one in range(month - 12, month)) / 12
    with Path(database).with_name("plans.csv").open(encoding="utf-8", newline="") as file:
        found = {(row["month"], row["responsible_user_id"]): row["plan"] for row in csv.DictReader(file)}
    assert found["2026-08-01", str(user)] == str(50_000 * round(1.3 * season * usual / 50_000))
    assert {month[:7] for month, _ in found} == {
        f"{n // 12}-{n % 12 + 1:02}" for n in range(12 * 2025 + 9, 12 * 2026 + 9)
    }


def month_of(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, MOSCOW):%Y-%m}"


def test_who_handles_incoming_worst(account: Account, database: str) -> None:
    """«Кто из менеджеров хуже всех обрабатывает входящие?»: one call names a person by each measure, and the cases."""
    [answer] = ask(database, ("incoming", {"period": "last_month"}))
    assert (answer["covers"]["period"]["since"], answer["covers"]["period"]["until"]) == ("2026-08-01", "2026-08-31")
    calls: Counter[Any] = Counter()
    for row in account.tables["leads/notes"].rows.values():
        if row["note_type"] == "call_in" and month_of(row["created_at"]) == LAST:
            calls[row["params"].get("call_responsible"), row["params"].get("duration") == 0] += 1
    slow = list(account.users)[business.SLOW]
    missed, all_calls = calls[slow, True], calls[slow, True] + calls[slow, False]
    worst = {row["measure"]: row for row in answer["worst"]}
    assert worst["not_answered_share"]["manager"] == account.users[slow]["name"]
    assert worst["missed_share"]["missed_percent"] >= round(100 * missed / all_calls)
    row = next(row for row in answer["managers"] if row["user_id"] == slow)
    assert (row["calls_in"], row["missed_calls"]) == (all_calls, missed)
    slowest = worst["first_response"]
    assert (slowest["manager"], slowest["first_response"]) == (account.users[slow]["name"], row["first_response"])
    assert slowest["first_response"] > 5 * slowest["median_of_people_first_response"] > 0


def test_why_sales_fell_last_month(account: Account, database: str) -> None:
    """«Почему упали продажи в прошлом месяце?»: how much, because of whom and of what, and which deals there were."""
    [compared, before] = ask(
        database,
        ("compare_periods", {"period": "last_month"}),
        (
            "deals",
            {"state": "won", "period": BEFORE, "manager": account.users[list(account.users)[business.TIRED]]["name"]},
        ),
    )
    sold: Counter[Any] = Counter()
    for row in account.tables["leads"].rows.values():
        if row["status_id"] == 142 and row["closed_at"]:
            sold[month_of(row["closed_at"]), row["responsible_user_id"]] += row["price"]
    totals = {month: sum(money for (of, _), money in sold.items() if of == month) for month in (LAST, BEFORE)}
    [money] = [row for row in compared["figures"] if row["figure"] == "won_budget"]
    assert (money["now"], money["before"]) == (totals[LAST], totals[BEFORE])
    assert totals[LAST] < totals[BEFORE]
    assert compared["covers"]["compared_with"] == {"since": "2026-07-01", "until": "2026-07-31"}
    first = list(account.users)[business.TIRED]
    [fell] = [row for row in compared["managers"][:2] if row["manager"] == account.users[first]["name"]]
    assert (fell["manager"], fell["won_budget_change"]) == (
        account.users[first]["name"], sold[LAST, first] - sold[BEFORE, first]
    )  # fmt: skip
    [cause] = compared["causes"]
    assert cause["won_budget_change"] == totals[LAST] - totals[BEFORE]
    assert cause["of_number_of_sales"] + cause["of_average_sale"] == cause["won_budget_change"]
    assert cause["of_number_of_sales"] < 0
    assert sum(row["budget"] for row in before["deals"]) == sold[BEFORE, first]
    assert all(row["link"].startswith("https://example.amocrm.ru/leads/detail/") for row in before["deals"])


def test_what_to_do_today(account: Account, database: str) -> None:
    """«Что сделать сегодня?»: each card once, with its link and reasons; then the list of one person."""
    [everybody] = ask(database, ("queue", {"kilobytes": 40}))
    [cards, total] = everybody["cards"], everybody["total"][0]
    assert len({card["link"] for card in cards}) == len(cards) == 20
    assert everybody["covers"]["rows"]["cards"] == f"20 of {total['cards']}"
    assert sum(row["cards"] for row in everybody["managers"]) >= total["cards"]
    assert cards[0]["budget"] == max(card["budget"] for card in cards)
    assert all(reason["manager"] for card in cards for reason in card["reasons"])
    slow = account.users[list(account.users)[business.SLOW]]["name"]
    [own] = ask(database, ("queue", {"manager": slow, "limit": 100, "kilobytes": 400}))
    waits = [card for card in own["cards"] if any(reason["why"] == "waiting" for reason in card["reasons"])]
    assert len(waits) == own["total"][0]["waiting"] > 0
    assert next(row for row in everybody["managers"] if row["manager"] == slow)["waiting"] == len(waits)


def test_the_digest_and_the_picture_are_sent_to_each_recipient(database: str, tmp_path: Path) -> None:
    """And one who cannot be reached, or whose manager is gone, is named: the others get theirs, the page is written.

    No part of an address is shown.
    """
    with hook() as hooks:
        file, page = tmp_path / "notify.yaml", tmp_path / "report.html"
        away = hooks.address.replace(f":{hooks.server_port}/", ":1/")
        file.write_text(
            f"- {{url: '{hooks.address}', language: ru}}\n- {{url: '{away}'}}\n"
            f"- {{url: '{hooks.address}', manager: Анна Кит}}\n"
            f"- {{url: '{hooks.address}', manager: Анна Ким, language: ru}}\n", encoding="utf-8",
        )  # fmt: skip
        file.chmod(0o600)
        given = ["--digest", "--week", "--language", "ru", "--notify", str(file), "--out", str(page)]
        done = run("--built", *given, database=database)
    assert done.returncode == 3
    with models.asking(database) as sql:
        names = ", ".join(row["name"] for row in sql("SELECT name FROM amocrm_staging.stg_users ORDER BY 1"))
    assert [one for one in done.stderr.splitlines() if one and str(page) not in one] == [
        f"The digest was not sent to recipient 3 (json): There is no manager “Анна Кит”. Did you mean Анна Ким? There "
        f"are: {names}. Correct the entry in {file}. Everything else was written.",
        "The digest was not sent to recipient 2 (json): A Connection error occurred sending JSON notification to …. "
        "Everything else was written.",
    ]
    assert page.exists()
    [everybody, own] = [body for _, body in hooks.found]
    assert f"{everybody['title']}\n{everybody['message']}\n" == done.stdout
    assert everybody["title"] == (
        "ООО «Северный ветер»: продажи, сентябрь 2026. Построено 21.09.2026, 17:13; время синхронизации в базе не "
        "указано"
    )
    assert (len(everybody["message"].split("\n\n")[0].split("\n")), len(own["message"].split("\n"))) == (14, 11)
    week = everybody["message"].split("\n\n")[1]  # 21 September 2026 is a Monday
    assert week.startswith("ООО «Северный ветер»: неделя, 14.09.2026 – 20.09.2026\nИзменено в аккаунте:\n– ")
    pictures = [base64.b64decode(body["attachments"][0]["base64"]) for body in (everybody, own)]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] != pictures[1]
    assert [part for part in PARTS if part in done.stdout + done.stderr] == []


def test_a_digest_without_its_models_is_not_sent_and_the_page_is_written(database: str, tmp_path: Path) -> None:
    file, page, own = tmp_path / "notify.yaml", tmp_path / "report.html", tmp_path / "crm.duckdb"
    copyfile(database, own)
    with duckdb.connect(str(own)) as connection:
        connection.execute("DROP TABLE amocrm_marts.queue")
    with hook() as hooks:
        file.write_text(f"- {{url: '{hooks.address}', language: ru}}\n", encoding="utf-8")
        file.chmod(0o600)
        done = run("--built", "--notify", str(file), "--out", str(page), database=str(own))
    assert (done.returncode, done.stderr, page.exists(), hooks.found) == (
        3,
        "The digest was not sent to recipient 1 (json): It needs models that are not there: queue. source-amocrm "
        "models builds them, or says why it cannot. Everything else was written.\n",
        True,
        [],
    )


def test_a_digest_that_a_fleet_could_not_send_is_named_in_dagster_without_its_address(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file = tmp_path / "accounts", tmp_path / "notify.yaml"
    folder.mkdir()
    add(folder, {"account_domain": "north.amocrm.ru", "credentials": {}})
    record(accounts(folder)[0], LastSync(5))
    for name, value in {"ACCOUNTS": folder, "DB": f"duckdb:///{database}", "NOTIFY": file}.items():
        monkeypatch.setenv(name, str(value))
    with hook() as hooks, dg.instance_for_test() as instance:
        hooks.status = 403
        file.write_text(f"- url: '{hooks.address}'\n", encoding="utf-8")
        file.chmod(0o600)
        job = dagster_definitions.defs.resolve_job_def("send_digests")
        done = job.execute_in_process(instance=instance, raise_on_error=False)
        logged = "\n".join(entry.to_json() for entry in instance.all_logs(done.run_id))
    assert len(hooks.found) == 1
    assert (
        "The digest over all accounts failed: The digest was not sent to recipient 1 (json): Failed to send " in logged
    )
    assert [part for part in PARTS if part in logged] == []


def test_the_picture_says_what_the_first_screen_of_the_page_says_and_paper_takes_five_pages(
    browser: webdriver.Chrome, database: str
) -> None:
    page = Report(browser)
    page.visit(Path(database).with_name("report.html"), "ru")
    shown = page.script("return [...document.querySelectorAll('#month .insight')].map((one) => one.textContent)")
    days = "return [...pace(ofThisMonth(state.scope, state.who))[0].rows].reverse().map((row) => row.sold_to_day)"
    pace = page.script(days)
    with reading(f"duckdb:///{database}") as run:
        [card] = first_screen.cards(run, last_months(run), Words("ru"))
        picture = first_screen.svg([card])
    # the page shortens money, and names hours
    kinds = [[re.split(r"[:,\d]", one)[0], "больше" in one, "меньше" in one] for one in shown]
    said = re.split(r"(?<=[.!]) (?=[А-Я])", " ".join(card.insights))
    assert kinds == [[re.split(r"[:,\d]", one)[0], "больше" in one, "меньше" in one] for one in said if one]
    assert [f">{line}</text>" in picture for line in card.insights] == [True] * len(card.insights)
    assert card.sold is not None
    assert picture.count('fill="#2c5bd0"/>') == len(card.bars) == 21
    assert f">{card.top}</text>" in picture
    top = max(pace)
    assert [bar * max(card.bars) ** -1 for bar in card.bars] == pytest.approx([each / top for each in pace[:21]])
    # the plan of a day is by days of work, as on the page
    passed = page.script("return DATA.days[ofThisMonth(state.scope, state.who).today].passed")
    assert [share / card.planned[-1] for share in card.planned] == pytest.approx(passed)
    # conversations, acts and tasks are no deals, and their counts are no links
    overdue = "#managers figure:first-of-type td:nth-last-child(2)"
    counts = f"#talks td .opens, #hours td .opens, #work td .opens, {overdue} .opens"
    assert page.script("return document.querySelectorAll(arguments[0]).length", counts) == 0
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert 2 <= printed.count(b"/Type /Page\n") <= 5
    for section in ("queue", "forecast", "funnel", "money", "managers", "reasons", "sources"):
        assert page.script("return document.querySelectorAll(`#${arguments[0]} tbody tr`).length", section) > 0


def test_the_seven_figures_leave_no_gap_on_a_phone(browser: webdriver.Chrome, database: str) -> None:
    with on_a_phone(browser):
        page = Report(browser)
        page.visit(Path(database).with_name("report.html"), "ru")
        boxes = "[...document.querySelectorAll('#figures .figure')].map((box) => box.getBoundingClientRect())"
        widths, tops = page.script(f"return [{boxes}.map((box) => box.width), {boxes}.map((box) => box.top)]")
        assert tops[:6:2] == tops[1:6:2]
        assert widths[6] > 2 * max(widths[:6])


UNUSUAL = """
  const all = [...document.querySelectorAll("#month .insight")];
  return [all.length, find("#month").getBoundingClientRect().bottom + scrollY];
"""

MEANINGS = """
  const all = [...document.querySelectorAll("#month .insight button")];
  return all.map((one) => { one.click(); return find("#meaning").textContent; });
"""


def test_the_first_screen_of_a_phone_has_room_for_all_that_is_unusual(browser: webdriver.Chrome, database: str) -> None:
    """What the browser leaves of the window has room for two sentences and more, the whole window for one of each."""
    with on_a_phone(browser):
        page = Report(browser)
        for language in ("ru", "en"):
            page.visit(Path(database).with_name("report.html"), language)
            most = 0
            for day in ("2026-07-14", "2026-07-24", "2026-05-25", "2026-09-21"):
                on_day(page, date.fromisoformat(day))
                found, bottom = page.script(UNUSUAL)
                assert bottom <= (700 if found <= 3 else 844), (day, language, found, bottom)
                most = max(most, found)
            assert most >= 2
        on_day(page, date(2026, 5, 25))
        untouched, *unusual = page.script(MEANINGS)
        assert untouched.startswith("Unsorted leads, and deals of the last days without an open task ")
        assert len(unusual) == 4
        assert all(one.startswith("More than in the same days of each of ") for one in unusual)


SOLD_THEN = """
  const marks = [...document.querySelectorAll(".chart.forecast.touchable svg path[aria-label*='Продано на: ']")];
  return marks.map((mark) => {
    mark.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    const lead = find("#list").open ? find("#list .lead").textContent : "";
    find("#list").close();
    return [mark.getAttribute("aria-label").split("Продано на: ")[1], lead.split(", на ")[1]];
  });
"""


def test_a_bar_of_the_forecast_opens_what_was_sold_in_its_month(browser: webdriver.Chrome, database: str) -> None:
    """The present month, of which the forecast has what was sold by the last sync, opens nothing."""
    page = Report(browser)
    page.visit(Path(database).with_name("report.html"), "ru")
    *past, (_, present) = [(told.replace("\u200b", ""), sold) for told, sold in page.script(SOLD_THEN)]
    assert len(past) == 6
    assert [told for told, _ in past] == [sold for _, sold in past]
    assert present is None


class Hand:
    """A head of sales at the page: counts the clicks. A choice in a list counts as one."""

    def __init__(self, page: Report) -> None:
        self.page, self.clicks = page, 0

    def press(self, css: str) -> None:
        self.clicks += 1
        self.page.press(css)

    def choose(self, what: str, text: str) -> None:
        self.clicks += 1
        [value] = [value for value, shown in self.page.options(what).items() if shown == text]
        self.page.script(CHOOSE, {what: value})
        self.page.wait()

    def sort(self, section: str, column: str) -> None:
        """Touches the head of a column of the section's first table."""
        self.clicks += 1
        heads = self.page.browser.find_elements("css selector", f"#{section} table:first-of-type thead th button")
        next(head for head in heads if head.text == column).click()
        self.page.wait()

    def table(self, css: str) -> list[list[str]]:
        """Returns the texts of the table's rows, as a person sees them."""
        rows = "[...document.querySelector(arguments[0]).tBodies[0].rows]"
        found: list[list[str]] = self.page.script(
            f"return {rows}.map((row) => [...row.cells].map((cell) => cell.innerText))", f"{css} table"
        )
        return found

    def value(self, section: str, figure: str) -> float:
        return float(self.page.figures(section)[figure])


def plan_share(hand: Hand) -> Any:
    return hand.value("month", "plan_share")


def sold_last_month(hand: Hand) -> Any:
    hand.choose("period", "август 2026 г.")
    return hand.value("figures", "won_budget")


def best_this_month(hand: Hand) -> Any:
    return hand.table("#people")[0][0]


def behind_the_plan(hand: Hand) -> Any:
    """A head sorts downwards when it is touched first; whoever has no plan comes last."""
    hand.sort("people", "От плана")
    return [row[0] for row in hand.table("#people") if row[3] != "–"][-1]


def whom_to_call(hand: Hand) -> Any:
    """The third manager’s first card; the second’s is a request that nobody has accepted, without a client."""
    hand.press("#queue details:nth-of-type(3) summary")
    summary = hand.page.browser.find_element("css selector", "#queue details:nth-of-type(3) summary").text
    card, client, phone = hand.table("#queue details:nth-of-type(3)")[0][0].split("\n")
    return summary.partition(":")[0], card, client, phone


def without_a_task(hand: Hand) -> Any:
    hand.press("#today h2 button")
    hand.press("#today .insight .opens[data-place$='/no_task']")
    return len(hand.table("#list"))


def worst_stage(hand: Hand) -> Any:
    said = hand.page.browser.find_element("css selector", "#funnel .insight").text
    found = re.match("Наибольшая доля теряется на этапе «(.+?)»: ", said)
    assert found, said
    return found[1]


def worst_reason(hand: Hand) -> Any:
    hand.press("#reasons h2 button")
    return hand.page.marks("reasons")[0]["Причина"]


def best_source(hand: Hand) -> Any:
    hand.press("#sources h2 button")
    return hand.table("#sources figure:nth-of-type(2)")[0][0]


def largest_open_deal(hand: Hand) -> Any:
    hand.choose("who", "Анна Ким")
    hand.press("#figures [data-id=live] .opens")
    return hand.table("#list")[0][0]


def slowest_answer(hand: Hand) -> Any:
    hand.press("#talks h2 button")
    hand.sort("talks", "Первый ответ (медиана), мин.")
    return hand.table("#talks")[0][0]


def deals_to_clean_up(hand: Hand) -> Any:
    hand.press("#queue details:last-of-type summary")
    return len(hand.table("#queue details:last-of-type"))


def most_overdue(hand: Hand) -> Any:
    hand.sort("people", "Просрочено задач")
    return hand.table("#people")[0][0]


def most_calls(hand: Hand) -> Any:
    hand.sort("people", "Исходящие звонки")
    return hand.table("#people")[0][0]


def won_of_fast(hand: Hand) -> Any:
    hand.press("#incoming h2 button")
    return float(
        hand.page.script("return document.querySelectorAll('#incoming tbody')[1].rows[0].cells[4].dataset.value")
    )


WON = "stage_kind = 'won' AND NOT is_deleted"
YEAR = "created_at_local >= DATE '2025-10-01' AND NOT is_deleted"
OPEN = "stage_kind IN ('open', 'unsorted') AND NOT is_deleted"
QUESTIONS: tuple[tuple[Callable[[Hand], Any], str], ...] = (
    (plan_share, "SELECT sum(won_budget) / sum(plan) FROM amocrm_marts.sales_plan "
     "WHERE plan IS NOT NULL AND month = DATE '2026-09-01'"),
    (sold_last_month, "SELECT sum(won_budget) FROM amocrm_marts.sales WHERE month = DATE '2026-08-01'"),
    (best_this_month, "SELECT responsible_name FROM amocrm_marts.sales WHERE month = DATE '2026-09-01' "
     "GROUP BY 1 ORDER BY sum(won_budget) DESC LIMIT 1"),
    (behind_the_plan, "SELECT responsible_name FROM amocrm_marts.sales_plan WHERE plan IS NOT NULL "
     "AND month = DATE '2026-09-01' ORDER BY won_budget / plan LIMIT 1"),
    (whom_to_call, "SELECT queue.responsible_name, entity_name, coalesce(main_contact_name, deals.company_name), "
     "main_contact_phones FROM amocrm_marts.queue LEFT JOIN amocrm_marts.deals "
     "ON deal_id = entity_id AND entity_type = 'deal' WHERE place = 1"),
    (without_a_task, "SELECT count(*) FROM amocrm_marts.today WHERE reason = 'no_task'"),
    (worst_stage, "SELECT status_name FROM amocrm_marts.funnel WHERE pipeline_name = 'Продажи' "
     "AND cohort_month >= DATE '2025-10-01' GROUP BY 1 HAVING sum(reached) >= 10 "
     "ORDER BY sum(lost) / sum(reached) DESC LIMIT 1"),
    (worst_reason, "SELECT loss_reason FROM amocrm_marts.lost_deals WHERE lost_month >= DATE '2025-10-01' "
     "GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"),
    (best_source, f"SELECT coalesce(source_name, utm_source) FROM amocrm_marts.deals WHERE {WON} AND {YEAR} "
     "GROUP BY 1 ORDER BY sum(budget) DESC LIMIT 1"),
    (largest_open_deal, f"SELECT name FROM amocrm_marts.deals WHERE {OPEN} AND NOT is_dead "
     "AND responsible_name = 'Анна Ким' ORDER BY budget DESC LIMIT 1"),
    (slowest_answer, "SELECT responsible_name FROM amocrm_marts.conversations WHERE messages_in > 0 "
     "AND started_at_local >= DATE '2025-10-01' GROUP BY 1 "
     "ORDER BY median(floor(seconds_to_first_response / 60)) DESC NULLS LAST LIMIT 1"),
    (deals_to_clean_up, "SELECT count(*) FROM amocrm_marts.stale_deals WHERE is_dead"),
    (most_overdue, "SELECT responsible_name FROM amocrm_marts.tasks_open WHERE is_overdue GROUP BY 1 "
     "ORDER BY count(*) DESC LIMIT 1"),
    (most_calls, "SELECT user_name FROM amocrm_marts.manager_activity WHERE day >= DATE '2026-09-01' GROUP BY 1 "
     "ORDER BY sum(calls_out) DESC LIMIT 1"),
    (won_of_fast, f"SELECT avg(CASE WHEN {WON} THEN 1 ELSE 0 END) FROM amocrm_marts.deals WHERE {YEAR} "
     "AND working_seconds_to_first_response <= 300"),
)  # fmt: skip
"""What a person does at the page for each question of docs/questions.md, and the SQL that gives the same answer."""
LISTED = re.compile(r"^\| (\d+) \| ([^|]+) \| (\d) \|", re.MULTILINE)
"""A question in the page: number, words, clicks."""


@pytest.mark.parametrize("number", range(1, len(QUESTIONS) + 1))
def test_a_question_is_answered_in_two_clicks(browser: webdriver.Chrome, database: str, number: int) -> None:
    answer, statement = QUESTIONS[number - 1]
    page = Report(browser)
    page.visit(Path(database).with_name("report.html"), "ru")
    hand = Hand(page)
    found = answer(hand)
    with models.asking(database) as sql:
        rows = [tuple(row.values()) for row in sql(statement)]
    if answer is whom_to_call:  # of the manager whose cards were opened
        assert found in rows
    else:
        [(wanted,)] = rows
        assert found == (wanted if isinstance(wanted, str) else pytest.approx(float(wanted), rel=0, abs=5e-5))
    for path in (ROOT / "docs" / name for name in ("questions.md", "questions.ru.md")):
        listed = {int(place): int(clicks) for place, _, clicks in LISTED.findall(path.read_text(encoding="utf-8"))}
        assert sorted(listed) == list(range(1, 16))
        assert listed[number] == hand.clicks <= 2
