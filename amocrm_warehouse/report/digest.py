"""`source-amocrm report --digest`: twelve lines about an account, nine about a team, for mail or a messenger."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.report import this_month
from amocrm_warehouse.report.answers import answer, deactivated, missing
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.page_data import shifted
from amocrm_warehouse.report.page_queries import REASONS, built_at, cautions
from amocrm_warehouse.report.report_words import Words
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
    project = account["project_id"]
    found = this_month.this_month(run, choice, project)
    choice, last, before_last = found.choice, choice.month_of(project, -1), choice.month_of(project, -2)
    month, then = found.figures, found.then
    before, earlier = (this_month.figures(run, one, project) for one in (last, before_last))
    [waiting] = answer(run, "reasons_today", choice).dicts()
    queue, [dead] = answer(run, "queue", choice).dicts(), answer(run, "dead", choice).dicts()
    reasons = answer(run, "reasons", choice).dicts()
    best, off = answer(run, "managers", choice).dicts(), deactivated(run)
    by_month = {row["months_ahead"]: row for row in found.forecast if not row["months_back"]}
    past = [row for row in found.forecast if row["months_back"] and row["expected"] is not None]

    def money(value: float | Decimal | None) -> str:
        return words.money(value, account["currency"])

    def name_of(row: dict[str, Any]) -> str:
        return words.manager(row, off) or "–"

    def forecast(months: int) -> str:
        name = words.month(shifted(choice.since, months))
        row = by_month.get(months, {})
        if row.get("expected") is None:
            return words("digest.few", month=name)
        return words("digest.forecast", month=name, **{one: money(row[one]) for one in ("expected", "low", "high")})

    inside = sum(row["low"] <= row["sold"] <= row["high"] for row in past)
    plan, touch = found.plan, month["first_touch"]
    top = next(
        (row for row in best if row["won_budget"]), dict.fromkeys(("project_id", "user_id", "manager", "won_budget"))
    )
    card = queue[0] if queue else None
    clean = {"dead": words.number(dead["dead"]), "dead_money": money(dead["dead_budget"])}
    title = choice.title(account["account"])
    return [
        words("digest.head", account=title, today=words.month(choice.since))
        + f". {words.as_of(account, built_at(run))}",
        words(
            "digest.sold", won=words.number(month["won"] or 0), money=money(month["won_budget"] or 0),
            first=words.day(found.first), last=words.day(found.until), then=money(then["won_budget"]),
        ),
        words(
            "digest.plan_of_some" if found.is_plan_of_some else "digest.plan", plan=money(plan),
            share=words.percent(float(found.of_plan) / float(plan)), sold=money(found.of_plan),
            needed=money(found.needed),
        ) if plan else words("digest.no_plan"),
        *([
            forecast(0), forecast(1),
            words("digest.record", count=len(past), inside=inside) if past else words("digest.no_record"),
        ] if choice.users is None else []),
        words(
            "digest.month", month=words.month(last.since).capitalize(), won=words.number(before["won"]),
            money=money(before["won_budget"]), before=money(earlier["won_budget"]),
        ),
        words(
            "digest.deals", created=words.number(month["created"] or 0),
            touch=words("digest.touch", minutes=words.number(touch), touched=words.number(month["first_touch_of"]))
            if touch is not None else "–",
            rate=words.percent(month["rate"]), closed=words.number(month["rate_of"]),
        ),
        words("digest.best", manager=name_of(top), money=money(top["won_budget"])),
        words(
            "digest.reason", lost=words.number(month["lost"] or 0),
            reason=reasons[0]["reason"] or words("reasons.none_given"),
        ) if reasons else words("digest.none_lost"),
        words("digest.today", **{reason: words.number(waiting[reason]) for reason in REASONS}),
        words(
            "digest.queue", cards=words.number(len(queue)), card=card["card"] or "–", manager=name_of(card),
            why=words(f"today.{card['why'].split(' ')[0]}"), **clean,
            link=link(account["domain"], card["entity_type"], card["entity_id"]) or "–",
        ) if card else words("digest.nothing", **clean),
    ]  # fmt: skip
