"""`source-amocrm report --digest`: twelve lines about an account, nine about a team, for mail or a messenger."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.answers import ANSWERS, answer
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.page_data import shifted
from amocrm_warehouse.report.page_queries import REASONS, needs
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.workbook import link

Row = dict[str, Any]


def digest(run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = ()) -> str:
    """Returns twelve lines per account; nine if `choice` names users, because the forecast is of everybody.

    The months are the present one by the clock of the account, those before and the next. `unbuilt`: models that are
    missing; one sentence stands in place of the lines that are made of them.
    """
    accounts = answer(run, "accounts", choice).dicts()
    return "\n\n".join("\n".join(lines(run, choice, one, words, unbuilt)) for one in accounts)


def lines(run: Run, choice: Choice, account: Row, words: Words, unbuilt: Collection[str]) -> list[str]:
    project = account["project_id"]
    choice, last, before_last = (choice.month_of(project, months) for months in (0, -1, -2))
    missing = {name: sorted(needs(ANSWERS[name]) & set(unbuilt)) for name in PARTS}
    tables = {name: answer(run, name, choice).dicts() for name in PARTS if not missing[name]}

    def told(name: str, line: Callable[[list[Row]], str]) -> str:
        """Returns a line that is made of one answer."""
        return line(tables[name]) if name in tables else words("digest.unbuilt", models=", ".join(missing[name]))

    def money(value: float | None) -> str:
        return words.money(value, account["currency"])

    def sold(figures: list[Row]) -> str:
        [month] = figures
        return words("digest.sold", won=words.number(month["won"] or 0), money=money(month["won_budget"] or 0))

    def plan(figures: list[Row]) -> str:
        [month] = figures
        if not month["plan"]:
            return words("digest.no_plan")
        share = words.percent(float(month["plan_won_budget"]) / float(month["plan"]))
        return words("digest.plan", plan=money(month["plan"]), share=share)

    def forecast(months: int) -> Callable[[list[Row]], str]:
        def line(forecasts: list[Row]) -> str:
            name = words.month(shifted(choice.since, months))
            of_all = (row for row in forecasts if row["pipeline_id"] is None and not row["months_back"])
            row = next((row for row in of_all if row["months_ahead"] == months and row["expected"] is not None), None)
            if row is None:
                return words("digest.few", month=name)
            return words("digest.forecast", month=name, **{one: money(row[one]) for one in ("expected", "low", "high")})

        return line

    def record(forecasts: list[Row]) -> str:
        of_all = (row for row in forecasts if row["pipeline_id"] is None and row["months_back"])
        past = [row for row in of_all if row["expected"] is not None]
        inside = sum(row["low"] <= row["sold"] <= row["high"] for row in past)
        return words("digest.record", count=len(past), inside=inside) if past else words("digest.no_record")

    def month_before(_: list[Row]) -> str:
        [before], [earlier] = (answer(run, "figures", one).dicts() for one in (last, before_last))
        return words(
            "digest.month", month=words.month(last.since).capitalize(), won=words.number(before["won"] or 0),
            money=money(before["won_budget"] or 0), before=money(earlier["won_budget"] or 0),
        )  # fmt: skip

    def deals(figures: list[Row]) -> str:
        [month] = figures
        return words("digest.deals", created=words.number(month["created"] or 0), rate=words.percent(month["rate"]))

    def best(managers: list[Row]) -> str:
        top: Row = next((row for row in managers if row["won_budget"]), {"manager": "–", "won_budget": None})
        return words("digest.best", manager=top["manager"], money=money(top["won_budget"]))

    def reason(reasons: list[Row]) -> str:
        if not reasons:
            return words("digest.none_lost")
        name = reasons[0]["reason"] or words("reasons.none_given")
        return words("digest.reason", lost=words.number(sum(row["deals"] for row in reasons)), reason=name)

    def waiting(reasons: list[Row]) -> str:
        [counts] = reasons
        return words("digest.today", **{name: words.number(counts[name]) for name in REASONS})

    def card(cards: list[Row]) -> str:
        if not cards:
            return words("digest.nothing")
        first = cards[0]
        return words(
            "digest.card", card=first["card"] or "–", money=money(first["budget"] or 0),
            manager=first["manager"] or "–",
            link=link(account["domain"], first["entity_type"], first["entity_id"]) or "",
        )  # fmt: skip

    ahead = [told("forecast", forecast(0)), told("forecast", forecast(1)), told("forecast", record)]
    found = [
        words("digest.head", account=account["account"] or project, today=words.month(choice.since)),
        told("figures", sold), told("figures", plan), *(ahead if choice.users is None else []),
        told("figures", month_before), told("figures", deals), told("managers", best), told("reasons", reason),
        told("reasons_today", waiting), told("today", card),
    ]  # fmt: skip
    return list(dict.fromkeys(found)) if any(missing.values()) else found


PARTS = ("figures", "forecast", "managers", "reasons", "reasons_today", "today")
"""The answers of which the lines are made."""
