"""`source-amocrm report --week`: a page of text about an account's last seven days, sent at the beginning of a week."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from amocrm_warehouse.changes.mass_changes import mass_changes
from amocrm_warehouse.database import Run, dicts, models_there
from amocrm_warehouse.report.answers import answer, missing
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.page_queries import QUERIES, REASONS
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.unmade_parts import made
from amocrm_warehouse.report.watch import MARTS, at_most, changed_at_once, names, numbers
from amocrm_warehouse.report.working_days import ONE_DAY, working_days

TABLES = ("accounts", "reasons_today", "queue")
"""The answers of which the page is made."""
MOST = 10
"""The most sentences of a part."""
SENTENCES = Callable[[], list[str]]


def week(run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = (), *, is_due: bool = False) -> str:
    """Returns the page of each account; with `is_due` of those whose week begins today.

    What was changed in the account itself, what is out of habit, what waits, whether the data are proven. Of people,
    there is no such page: it is of the account.
    """
    if choice.users is not None:
        return ""
    if absent := missing(unbuilt, *TABLES) | {"int_working_days"} & set(unbuilt):
        return "" if is_due else words("digest.unbuilt", models=", ".join(sorted(absent)))
    accounts, days = answer(run, "accounts", choice).dicts(), working_days(run)
    return "\n\n".join(
        "\n".join(_lines(run, choice, one, words))
        for one in accounts if not is_due or days.begins_week(one["today"])
    )  # fmt: skip


def _lines(run: Run, choice: Choice, account: dict[str, Any], words: Words) -> list[str]:
    project, since = account["project_id"], account["today"] - timedelta(days=7)
    present = models_there(run)

    def changed() -> list[str]:
        at_once = mass_changes(run, projects=[project], since=since) if "mass_changes" in present else []
        most_first = sorted((one for one in at_once if one.is_news), key=lambda one: -one.cards)
        return [
            *(names(run, project, since, words) if present >= MARTS else []),
            *(words("digest.at_once", change=changed_at_once(one, words), more="") for one in most_first),
        ]

    def habit() -> list[str]:
        return numbers(run, project, since, words) if present >= MARTS else []

    def waits() -> list[str]:
        [waiting] = answer(run, "reasons_today", choice.of(project)).dicts()
        cards = len(answer(run, "queue", choice.of(project)).rows)
        counts = {reason: words.number(waiting[reason]) for reason in REASONS}
        return [words("digest.today", **counts), words("week.queue", cards=words.number(cards))]

    def proven() -> list[str]:
        tables = [one for one in dicts(run, QUERIES["verified"]) if one["project_id"] == project]
        if not tables:
            return [words("week.unverified")]
        unseen = [one["source_table"] for one in tables if one["has_failed"]]
        differ = [f"{one['source_table']} {words.number(one['differences'])}" for one in tables if one["differences"]]
        others = (words("week.differ", tables=", ".join(differ)) if differ else "") + (
            words("week.unseen", tables=", ".join(unseen)) if unseen else ""
        )
        equal = sum(not one["differences"] and not one["has_failed"] for one in tables)
        day = words.day(tables[0]["verified_at"].date())
        return [words("week.verified", day=day, equal=equal, tables=len(tables), others=others)]

    days = words.days_between(since, account["today"] - ONE_DAY)
    lines = [words("week.title", account=account["account"], days=days)]
    parts: dict[str, SENTENCES] = {
        "week.changed": changed, "week.habit": habit, "week.waits": waits, "week.proven": proven,
    }  # fmt: skip
    for title, make in parts.items():
        told = at_most(MOST, made(words, words(title), make, lambda reason: [reason]), words)
        lines += [f"{words(title)}:", *(f"– {one}" for one in told or [words("week.nothing")])]
    return lines
