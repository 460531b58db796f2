"""The marts watch and name_changes in sentences: few a day, each with its number and what is usual."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from amocrm_warehouse.database import DATABASE_ERRORS, Run, models_of, reading, tables_seen
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.working_days import ONE_DAY, working_days

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


def begins_week(run: Run, today: date) -> bool:
    """Whether a day is the first day of work of its week."""
    days = working_days(run)
    monday = today - (today.isoweekday() - 1) * ONE_DAY
    return today in days.days and not days.between(monday, today - ONE_DAY)


def since_last_work(run: Run, today: date) -> date:
    """Returns the first day of which a digest of today tells: after a weekend, the last day of work before it."""
    days = working_days(run)
    return days.before(today) if today in days.days else today - ONE_DAY


def watched(run: Run, project: str, since: date, words: Words, most: int = MOST) -> list[str]:
    """Returns sentences about what is out of an account's habit since a day; none if the marts are not there."""
    if not models_of(run).tables(tables_seen(run)) >= MARTS:
        return []
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
            accounts = run("select project_id, today from amocrm_staging.int_accounts order by project_id")[1]
            return {one: watched(run, one, since_last_work(run, today), Words("en")) for one, today in accounts}
    except (ValueError, *DATABASE_ERRORS):
        return {}


def numbers(run: Run, project: str, since: date, words: Words) -> list[str]:
    """Returns a sentence for the token, the disk, and all that was out of habit in one day or week in one direction."""
    urgent, groups = [], defaultdict[tuple[Any, ...], list[Row]](list)
    for row in _rows(run, NEWS, project=project, since=since):
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
    for row in _rows(run, NAMES, project=project, since=since):
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


def _count(row: Row, words: Words) -> str:
    is_share = row["measure"] == "empty"
    value, low, high = (
        words.percent(row[name]) if is_share else words.number(row[name])
        for name in ("measured", "usual_low", "usual_high")
    )
    of = row["source_table"] if row["measure"] == "rows" else row["measure"]
    name = row["field_name"] if is_share else words(f"watch.of.{of}")
    return words("watch.count", name=name, value=value, usual=low if low == high else f"{low}–{high}")


def _first(names: list[str], words: Words) -> str:
    more = [words("watch.and_more", count=len(names) - MOST_NAMES)] if len(names) > MOST_NAMES else []
    return " ".join([", ".join(names[:MOST_NAMES]), *more])


def _rows(run: Run, sql: str, **values: Any) -> list[Row]:
    columns, rows = run(sql, **values)
    return [dict(zip(columns, row, strict=True)) for row in rows]
