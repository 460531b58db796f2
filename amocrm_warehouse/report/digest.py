"""`source-amocrm report --digest`: fifteen lines about an account, twelve about a team, for mail or a messenger.

A sixteenth line about an account tells of mass changes that are news since yesterday, and up to five more of what is
out of its habit since the last day of work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any

from amocrm_warehouse.changes.mass_changes import mass_changes
from amocrm_warehouse.database import Run, models_there
from amocrm_warehouse.report import this_month
from amocrm_warehouse.report.answers import answer, marks_of, missing
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.first_screen import live, recent
from amocrm_warehouse.report.page_data import shifted
from amocrm_warehouse.report.page_queries import REASONS, built_at, cautions
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.unmade_parts import made
from amocrm_warehouse.report.unread_tables import unread_of, unread_tables
from amocrm_warehouse.report.watch import changed_at_once, watched
from amocrm_warehouse.report.workbook import link
from amocrm_warehouse.report.working_days import working_days

TABLES = ("accounts", *this_month.TABLES, "reasons_today", "untouched", "queue", "dead", "reasons", "managers")
"""The answers of which the digest is made."""


def digest(run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = ()) -> str:
    """Returns fifteen lines per account; twelve if `choice` names users, because the forecast is of everybody.

    The months are the present month by the clock of the account, the months before, and the next. If models of the
    digest are `unbuilt`, it is one sentence, which names them.
    """
    if absent := missing(unbuilt, *TABLES):
        return words("digest.unbuilt", models=", ".join(sorted(absent)))
    accounts = answer(run, "accounts", choice).dicts()
    warned = [words(key, **values) for key, values in cautions(run, choice.days)]
    return "\n\n".join([*warned, *("\n".join(lines(run, choice, one, words)) for one in accounts)])


def lines(run: Run, choice: Choice, account: dict[str, Any], words: Words) -> list[str]:
    """Returns the lines about an account. A line that cannot be made says so."""
    project, marks = account["project_id"], marks_of(run)

    @cache
    def found() -> this_month.ThisMonth:
        return this_month.this_month(run, choice, project)

    @cache
    def rows(name: str) -> list[dict[str, Any]]:
        return answer(run, name, choice.month_of(project)).dicts()

    def money(value: float | Decimal | None) -> str:
        return words.money(value, account["currency"])

    def name_of(row: dict[str, Any]) -> str:
        return words.manager(row, marks) or "–"

    def head() -> str:
        title = choice.title(account["account"])
        month = words.month(choice.month_of(project).since)
        return words("digest.head", account=title, today=month) + f". {words.as_of(account, built_at(run))}"

    def sold() -> str:
        one = found()
        return words(
            "digest.sold", won=words.number(one.figures["won"] or 0), money=money(one.figures["won_budget"] or 0),
            first=words.day(one.first), last=words.day(one.until), then=money(one.then["won_budget"]),
        )  # fmt: skip

    def plan() -> str:
        one = found()
        if not one.plan:
            return words("digest.no_plan")
        needed = words("digest.needed", money=money(one.needed)) if one.needed else words("digest.met")
        return words(
            "digest.plan_of_some" if one.is_plan_of_some else "digest.plan", plan=money(one.plan),
            share=words.percent(float(one.of_plan) / float(one.plan)), sold=money(one.of_plan),
            needed=needed,
        )  # fmt: skip

    def forecast(months: int) -> str:
        name = words.month(shifted(choice.month_of(project).since, months))
        by_month = {row["months_ahead"]: row for row in found().forecast if not row["months_back"]}
        row = by_month.get(months, {})
        if row.get("expected") is None:
            return words("digest.few", month=name)
        return words("digest.forecast", month=name, **{one: money(row[one]) for one in ("expected", "low", "high")})

    def record() -> str:
        past = [row for row in found().forecast if row["months_back"] and row["expected"] is not None]
        inside = sum(row["low"] <= row["sold"] <= row["high"] for row in past)
        return words("digest.record", count=len(past), inside=inside) if past else words("digest.no_record")

    def last_month() -> str:
        last = this_month.this_month(run, choice, project, -1)
        plan = ""
        if last.plan:
            key = "digest.of_plan_of_some" if last.is_plan_of_some else "digest.of_plan"
            plan = words(key, plan=money(last.plan), share=words.percent(last.plan_share), sold=money(last.of_plan))
        return words(
            "digest.month", month=words.month(last.choice.since).capitalize(), won=words.number(last.figures["won"]),
            money=money(last.figures["won_budget"]), plan=plan, before=money(last.then["won_budget"]),
        )  # fmt: skip

    def in_work() -> str:
        return " ".join(live(found(), words, money)) or words("digest.not_live")

    def near(at: int) -> str:
        return recent(run, choice, project, words, money)[at]

    def deals() -> str:
        month = found().figures
        touch, touched = month["first_touch"], words.number(month["first_touch_of"])
        return words(
            "digest.deals", created=words.number(month["created"] or 0),
            touch="–" if touch is None else words("digest.touch", minutes=words.minutes(touch), touched=touched),
            rate=words.percent(month["rate"]), closed=words.number(month["rate_of"]),
        )  # fmt: skip

    def best() -> str:
        top = next((row for row in rows("managers") if row["won_budget"]), None)
        if top is None:
            return words("digest.nobody")
        return words("digest.best", manager=name_of(top), money=money(top["won_budget"]))

    def reason() -> str:
        if not rows("reasons"):
            return words("digest.none_lost")
        most = rows("reasons")[0]["reason"] or words("reasons.none_given")
        return words("digest.reason", lost=words.number(found().figures["lost"] or 0), reason=most)

    def waits() -> str:
        [waiting], [new] = rows("reasons_today"), rows("untouched")
        counts = {one: words.number(waiting[one]) for one in REASONS}
        if new["oldest_working_minutes"] is not None:
            waited = words.waited(new["oldest_working_minutes"])
            counts["untouched"] = words("digest.oldest", count=counts["untouched"], waited=waited)
        return words("digest.today", **counts)

    def queue() -> str:
        [dead] = rows("dead")
        clean = {"dead": words.number(dead["dead"]), "dead_money": money(dead["dead_budget"])}
        unread = ", ".join(unread_of("queue", (), unread_tables(run, [project]), project))
        clean["unread"] = words("digest.unread", tables=unread) if unread else ""
        if not rows("queue"):
            return words("digest.unknown" if unread else "digest.nothing", **clean)
        card, cards = rows("queue")[0], None if unread else len(rows("queue"))
        return words(
            "digest.queue", cards=words.number(cards), card=card["card"] or "–", manager=name_of(card),
            why=words(f"today.{card['why'].split(' ')[0]}"), **clean,
            link=link(account["domain"], card["entity_type"], card["entity_id"]) or "–",
        )  # fmt: skip

    def at_once() -> str:
        """Returns the line about mass changes that are news since yesterday; empty if there are none."""
        since = account["today"] - timedelta(days=1)
        news = [one for one in mass_changes(run, projects=[project], since=since) if one.is_news]
        if not news:
            return ""
        most = max(news, key=lambda one: one.cards)
        more = words("digest.at_once_more", count=len(news) - 1) if len(news) > 1 else ""
        return words("digest.at_once", change=changed_at_once(most, words), more=more)

    def out_of_habit() -> str:
        return "\n".join(watched(run, project, working_days(run).since_last_work(account["today"]), words))

    ahead: list[tuple[str, Callable[[], str]]] = [
        ("forecast.title", partial(forecast, 0)), ("forecast.title", partial(forecast, 1)), ("forecast.title", record),
    ]  # fmt: skip
    ended: list[tuple[str, Callable[[], str]]] = [("money.title", last_month)]
    is_first = this_month.begins(account["today"])
    parts: list[tuple[str, Callable[[], str]]] = [
        ("title", head), *(ended if is_first else []), ("column.won_budget", sold), ("plans.title", plan),
        *(ahead if choice.users is None else []), *([] if is_first else ended), ("month.recent", partial(near, 0)),
        ("month.recent", partial(near, 1)), ("column.created", deals), ("column.open", in_work),
        ("managers.title", best), ("reasons.title", reason), ("today.title", waits), ("queue.title", queue),
    ]  # fmt: skip
    if choice.users is None and "mass_changes" in models_there(run):
        parts.append(("at_once.title", at_once))
    if choice.users is None:
        parts.append(("watch.title", out_of_habit))
    return [line for title, make in parts if (line := made(words, words(title), make, str))]
