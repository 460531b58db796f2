"""`source-amocrm report --digest`: twelve lines about an account, nine about a team, for mail or a messenger."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.answers import ANSWERS, answer
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.like_with_like import days_before, needed_a_day
from amocrm_warehouse.report.page_data import shifted
from amocrm_warehouse.report.page_queries import REASONS, needs
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.workbook import link

TABLES = ("figures", "reasons_today", "queue", "dead", "reasons", "managers", "forecast")
"""The answers of which the digest is made."""


def digest(run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = ()) -> str:
    """Returns twelve lines per account; nine if `choice` names users, because the forecast is of everybody.

    The months are the present one by the clock of the account, those before and the next. If models of the digest are
    `unbuilt`, it is one sentence, which names them.
    """
    missing = set().union(*(needs(ANSWERS[name]) for name in TABLES)) & set(unbuilt)
    if missing:
        return words("digest.unbuilt", models=", ".join(sorted(missing)))
    accounts = answer(run, "accounts", choice).dicts()
    return "\n\n".join("\n".join(lines(run, choice, one, words)) for one in accounts)


def lines(run: Run, choice: Choice, account: dict[str, Any], words: Words) -> list[str]:
    project = account["project_id"]
    choice, last, before_last = (choice.month_of(project, months) for months in (0, -1, -2))
    days = choice.days[project]
    first, until = days_before(days.since, days.until, days.today)
    same_days = replace(choice, days={project: replace(days, since=first, until=until)})
    [month], [then], [before], [earlier] = (
        answer(run, "figures", one).dicts() for one in (choice, same_days, last, before_last)
    )
    [waiting] = answer(run, "reasons_today", choice).dicts()
    queue, [dead] = answer(run, "queue", choice).dicts(), answer(run, "dead", choice).dicts()
    reasons = answer(run, "reasons", choice).dicts()
    best = answer(run, "managers", choice).dicts()
    ahead = [row for row in answer(run, "forecast", choice).dicts() if row["pipeline_id"] is None]
    by_month = {row["months_ahead"]: row for row in ahead if not row["months_back"]}
    past = [row for row in ahead if row["months_back"] and row["expected"] is not None]

    def money(value: float | None) -> str:
        return words.money(value, account["currency"])

    def name_of(row: dict[str, Any]) -> str:
        return words("user.robot") if row["user_id"] == 0 else row["manager"] or "–"

    def forecast(months: int) -> str:
        name = words.month(shifted(choice.since, months))
        row = by_month.get(months, {})
        if row.get("expected") is None:
            return words("digest.few", month=name)
        return words("digest.forecast", month=name, **{one: money(row[one]) for one in ("expected", "low", "high")})

    inside = sum(row["low"] <= row["sold"] <= row["high"] for row in past)
    plan = month["plan"]
    of_plan = month["plan_won_budget"] or 0
    top: dict[str, Any] = next(
        (row for row in best if row["won_budget"]), {"user_id": None, "manager": None, "won_budget": None}
    )
    first = queue[0] if queue else None
    clean = {"dead": words.number(dead["dead"]), "dead_money": money(dead["dead_budget"])}
    return [
        words("digest.head", account=account["account"] or account["project_id"], today=words.month(choice.since)),
        words(
            "digest.sold", won=words.number(month["won"] or 0), money=money(month["won_budget"] or 0),
            first=words.day(first), last=words.day(until), then=money(then["won_budget"] or 0),
        ),
        words(
            "digest.plan", plan=money(plan), share=words.percent(float(of_plan) / float(plan)),
            needed=money(needed_a_day(plan, of_plan, days.today)),
        ) if plan else words("digest.no_plan"),
        *([
            forecast(0), forecast(1),
            words("digest.record", count=len(past), inside=inside) if past else words("digest.no_record"),
        ] if choice.users is None else []),
        words(
            "digest.month", month=words.month(last.since).capitalize(), won=words.number(before["won"] or 0),
            money=money(before["won_budget"] or 0), before=money(earlier["won_budget"] or 0),
        ),
        words(
            "digest.deals", created=words.number(month["created"] or 0), touch=words.number(month["first_touch"]),
            rate=words.percent(month["rate"]),
        ),
        words("digest.best", manager=name_of(top), money=money(top["won_budget"])),
        words(
            "digest.reason", lost=words.number(month["lost"] or 0),
            reason=reasons[0]["reason"] or words("reasons.none_given"),
        ) if reasons else words("digest.none_lost"),
        words("digest.today", **{reason: words.number(waiting[reason]) for reason in REASONS}),
        words(
            "digest.queue", cards=words.number(len(queue)), card=first["card"] or "–", manager=name_of(first),
            why=words(f"today.{first['why'].split(' ')[0]}"), **clean,
            link=link(account["domain"], first["entity_type"], first["entity_id"]) or "–",
        ) if first else words("digest.nothing", **clean),
    ]  # fmt: skip
