"""`source-amocrm report --digest`: twelve lines about an account, nine about a team, for mail or a messenger."""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal
from functools import cache, partial
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.report import this_month
from amocrm_warehouse.report.answers import answer, deactivated, missing
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.page_data import shifted
from amocrm_warehouse.report.page_queries import REASONS, built_at, cautions
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.unmade_parts import made
from amocrm_warehouse.report.workbook import link

TABLES = ("accounts", *this_month.TABLES, "reasons_today", "queue", "dead", "reasons", "managers")
"""The answers of which the digest is made."""


def digest(run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = ()) -> str:
    """Returns twelve lines per account; nine if `choice` names users, because the forecast is of everybody.

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
    project, off = account["project_id"], deactivated(run)

    @cache
    def found() -> this_month.ThisMonth:
        return this_month.this_month(run, choice, project)

    @cache
    def rows(name: str) -> list[dict[str, Any]]:
        return answer(run, name, choice.month_of(project)).dicts()

    def money(value: float | Decimal | None) -> str:
        return words.money(value, account["currency"])

    def name_of(row: dict[str, Any]) -> str:
        return words.manager(row, off) or "–"

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
        return words(
            "digest.plan_of_some" if one.is_plan_of_some else "digest.plan", plan=money(one.plan),
            share=words.percent(float(one.of_plan) / float(one.plan)), sold=money(one.of_plan),
            needed=money(one.needed),
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
        last = choice.month_of(project, -1)
        before, earlier = (this_month.figures(run, one, project) for one in (last, choice.month_of(project, -2)))
        return words(
            "digest.month", month=words.month(last.since).capitalize(), won=words.number(before["won"]),
            money=money(before["won_budget"]), before=money(earlier["won_budget"]),
        )  # fmt: skip

    def deals() -> str:
        month = found().figures
        touch, touched = month["first_touch"], words.number(month["first_touch_of"])
        return words(
            "digest.deals", created=words.number(month["created"] or 0),
            touch="–" if touch is None else words("digest.touch", minutes=words.number(touch), touched=touched),
            rate=words.percent(month["rate"]), closed=words.number(month["rate_of"]),
        )  # fmt: skip

    def best() -> str:
        nobody = dict.fromkeys(("project_id", "user_id", "manager", "won_budget"))
        top = next((row for row in rows("managers") if row["won_budget"]), nobody)
        return words("digest.best", manager=name_of(top), money=money(top["won_budget"]))

    def reason() -> str:
        if not rows("reasons"):
            return words("digest.none_lost")
        most = rows("reasons")[0]["reason"] or words("reasons.none_given")
        return words("digest.reason", lost=words.number(found().figures["lost"] or 0), reason=most)

    def waits() -> str:
        [waiting] = rows("reasons_today")
        return words("digest.today", **{one: words.number(waiting[one]) for one in REASONS})

    def queue() -> str:
        [dead] = rows("dead")
        clean = {"dead": words.number(dead["dead"]), "dead_money": money(dead["dead_budget"])}
        if not rows("queue"):
            return words("digest.nothing", **clean)
        card = rows("queue")[0]
        return words(
            "digest.queue", cards=words.number(len(rows("queue"))), card=card["card"] or "–", manager=name_of(card),
            why=words(f"today.{card['why'].split(' ')[0]}"), **clean,
            link=link(account["domain"], card["entity_type"], card["entity_id"]) or "–",
        )  # fmt: skip

    ahead: list[tuple[str, Callable[[], str]]] = [
        ("forecast.title", partial(forecast, 0)), ("forecast.title", partial(forecast, 1)), ("forecast.title", record),
    ]  # fmt: skip
    parts: list[tuple[str, Callable[[], str]]] = [
        ("title", head), ("column.won_budget", sold), ("plans.title", plan),
        *(ahead if choice.users is None else []), ("money.title", last_month), ("column.created", deals),
        ("managers.title", best), ("reasons.title", reason), ("today.title", waits), ("queue.title", queue),
    ]  # fmt: skip
    return [made(words, words(title), make, str) for title, make in parts]
