"""The marts watch, name_changes and mass_changes in sentences, each with its number; of the first two few a day."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from amocrm_warehouse.changes.mass_changes import MassChange
from amocrm_warehouse.database import DATABASE_ERRORS, Run, dicts, models_there, reading
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.working_days import working_days

MOST = 5
"""The most sentences about an account. Of more, the last one counts the others."""
MOST_NAMES = 3
"""The most names that a sentence lists of what came, went or was renamed; the others are counted."""
MARTS = {"watch", "name_changes"}
LISTS = (
    "users", "roles", "groups", "pipelines", "statuses", "custom_fields", "bots", "sources", "loss_reasons",
    "task_types", "customer_statuses", "catalogs",
)  # fmt: skip
"""The lists whose changes are news. People make tags in their daily work."""
NEWS = """
    select day, measure, source_table, field_name, days, measured, usual, usual_low, usual_high, direction
    from amocrm_marts.watch
    where project_id = $project and is_news and day >= $since
    order by day desc, days, measure, source_table, field_name
"""
NAMES = """
    select source_table, change, parent_name, name_before, name_after
    from amocrm_marts.name_changes
    where project_id = $project and changed_at_local >= $since
    order by changed_at, name_id
"""
Row = dict[str, Any]


def watched(run: Run, project: str, since: date, words: Words, most: int = MOST) -> list[str]:
    """Returns sentences about what is out of an account's habit since a day; none if the marts are not there."""
    return _watched(run, project, since, words, most) if models_there(run) >= MARTS else []


def _watched(run: Run, project: str, since: date, words: Words, most: int = MOST) -> list[str]:
    return at_most(most, [*numbers(run, project, since, words), *names(run, project, since, words)], words)


def at_most(most: int, sentences: list[str], words: Words) -> list[str]:
    """Returns the first sentences, the last of which counts the others if there are more."""
    if len(sentences) <= most:
        return sentences
    return [*sentences[: most - 1], words("watch.more", count=len(sentences) - most + 1)]


def watched_in(database: str) -> dict[str, list[str]]:
    """Returns the English sentences of today about each project; none if the marts cannot be read now."""
    try:
        with reading(database, read_only=True) as run:
            if not models_there(run) >= MARTS:
                return {}
            days = working_days(run)
            accounts = run("select project_id, today from amocrm_staging.int_accounts order by project_id")[1]
            return {one: _watched(run, one, days.since_last_work(today), Words("en")) for one, today in accounts}
    except (ValueError, *DATABASE_ERRORS):
        return {}


def numbers(run: Run, project: str, since: date, words: Words) -> list[str]:
    """Returns a sentence for the token, the disk, and all that was out of habit in one day or week in one direction."""
    urgent, groups = [], defaultdict[tuple[Any, ...], list[Row]](list)
    for row in dicts(run, NEWS, project=project, since=since):
        if row["measure"] == "token":
            urgent.append(words("watch.token", days=words.number(row["measured"])))
        elif row["measure"] == "disk":
            taken = "" if row["usual"] is None else words("watch.taken", gigabytes=words.number(row["usual"], 1))
            urgent.append(words("watch.disk", gigabytes=words.number(row["measured"], 1), taken=taken))
        else:
            of = row["source_table"] if row["measure"] == "empty" else ""
            groups[row["day"], of, row["days"], row["direction"]].append(row)
    said = []
    for (day, of, days, direction), rows in groups.items():
        key = "watch.empty" if of else f"watch.{direction}_{days}"
        counts = [_count(row, words) for row in rows]
        said.append(words(key, day=words.day(day), of=of and words(f"watch.of.{of}"), counts=_first(counts, words)))
    return urgent + said


def names(run: Run, project: str, since: date, words: Words) -> list[str]:
    """Returns a sentence for each list of the account in which names came, went or were renamed since a day."""
    changes: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in dicts(run, NAMES, project=project, since=since):
        shown = words("watch.name", name=row["name_after"] or row["name_before"] or "–")
        if row["change"] == "renamed":
            shown = words("watch.renaming", before=row["name_before"] or "–", after=row["name_after"] or "–")
        pipeline = f" ({row['parent_name']})" if row["parent_name"] else ""
        changes[row["source_table"]][row["change"]].append(shown + pipeline)
    return [
        words(
            "watch.names", of=words(f"watch.of.{one}"),
            changes="; ".join(
                words(f"watch.{change}", count=words.number(len(some)), names=_first(some, words))
                for change in ("came", "renamed", "went") if (some := changes[one][change])
            ),
        )
        for one in LISTS if one in changes
    ]  # fmt: skip


def changed_at_once(change: MassChange, words: Words) -> str:
    """Returns who changed what in how many cards at once, and when."""
    what = words(f"at_once.{change.kind}") + (f" «{change.field_name}»" if change.field_name else "")
    return words(
        "at_once.change", author=words("user.robot") if change.author_id == 0 else change.author_name, what=what,
        cards=words.number(change.cards),
        moment=f"{words.day(change.began_local.date())}, {change.began_local:%H:%M}",
    )  # fmt: skip


def _count(row: Row, words: Words) -> str:
    is_share = row["measure"] == "empty"
    value, low, high = (
        words.percent(row[name]) if is_share else words.number(row[name])
        for name in ("measured", "usual_low", "usual_high")
    )
    of = {"rows": row["source_table"], "users": "number_of_users"}.get(row["measure"], row["measure"])
    name = row["field_name"] if is_share else words(f"watch.of.{of}")
    return words("watch.count", name=name, value=value, usual=low if low == high else f"{low}–{high}")


def _first(names: list[str], words: Words) -> str:
    more = [words("watch.and_more", count=len(names) - MOST_NAMES)] if len(names) > MOST_NAMES else []
    return " ".join([", ".join(names[:MOST_NAMES]), *more])
