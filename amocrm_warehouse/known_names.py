"""The names and ids of accounts, teams, people and sources as a person types them: who is meant, which name is near."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

NAMED = 60
"""The most right names that a refusal lists."""
NEAR = 0.75
"""The least similarity of a suggested name (0 to 1): “Рознца” and “Розница” have 0.92, “person” and “period” 0.67."""

Row = dict[str, Any]
WHO = ("user_id", "manager")


def nearest_name(given: str, names: Iterable[str]) -> str:
    """Returns the most similar name, or nothing."""
    by_lower = {name.casefold(): name for name in names}
    found = get_close_matches(given.casefold(), by_lower, 1, NEAR)
    starts = [name for lower, name in by_lower.items() if given.casefold() in lower or lower in given.casefold()]
    close = [by_lower[found[0]]] if found else starts[:1]
    return close[0] if close else ""


def nearest(given: str, names: Iterable[str]) -> str:
    """Returns a sentence with the most similar name, or nothing."""
    name = nearest_name(given, names)
    return f" Did you mean {name}?" if name else ""


def named(kind: str, given: str, rows: list[Row], columns: tuple[str, ...]) -> list[Row]:
    """Returns the rows with this id or name, or with a name that alone has these words, as a surname.

    Neither the case of letters counts, nor ё. `columns`: the id, then the name. Raises ValueError if there is none,
    with the list of names, or if several are meant, with their ids.
    """
    found = [row for row in rows if any(folded(str(row[one])) == folded(given) for one in columns if row[one])]
    is_whole = bool(found)
    words = {*words_of(given)}
    found = found or [row for row in rows if words and words <= {*words_of(name_of(row, columns))}]
    meant = {row[columns[0]]: name_of(row, columns) for row in found}
    is_one = kind != "manager" or len(meant) == len({row["project_id"] for row in found})
    if found and is_one and (is_whole or len(set(meant.values())) == 1):
        return found
    if found:
        several = ", ".join(name if str(own) in name else f"{name} ({own})" for own, name in meant.items())
        raise ValueError(f"Several have the {kind} “{given}”: {several}. Give the id or the whole name.")
    names = list(dict.fromkeys(name_of(row, columns) for row in rows))
    raise ValueError(f"There is no {kind} “{given}”.{near_and_all(given, names)}")


def near_and_all(given: str, names: Sequence[str]) -> str:
    """Returns a sentence with the most similar name, if there is one, and one with all of them."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    there = f"There are: {', '.join(names[:NAMED])}{more}." if names else "There is none at all."
    return f"{nearest(given, names)} {there}"


def folded(text: str) -> str:
    """Returns a text whose letters are compared: small ones, and е for ё."""
    return text.casefold().replace("ё", "е").strip()


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", folded(text))


def name_of(row: Row, columns: tuple[str, ...]) -> str:
    return str(row[columns[-1]] or row[columns[0]])


def names_of_people(everybody: list[Row], teams: Collection[str], managers: Collection[str]) -> str:
    """Returns the names that amoCRM has for these teams and managers, who are there."""
    of_teams = (named("team", name, everybody, ("team",))[0]["team"] for name in teams)
    of_managers = (name_of(named("manager", name, everybody, WHO)[0], WHO) for name in managers)
    return ", ".join(dict.fromkeys([*of_teams, *of_managers]))


def people_named(
    everybody: list[Row], teams: Collection[str], managers: Collection[str], *, team: str = "team"
) -> frozenset[tuple[str, int]]:
    """Returns (project, user id) of the users who are in one of the teams and are one of the managers.

    An empty list of teams or managers limits nothing. `everybody`: project_id, user_id, manager, team. `team`: the word
    for a team in a sentence. Raises ValueError for a name that nobody has, and if nobody is left.
    """
    of_teams = [
        row for name in teams for row in named(team, name, [one for one in everybody if one["team"]], ("team",))
    ]
    of_names = [row for name in managers for row in named("manager", name, everybody, WHO)]
    chosen = [
        {(row["project_id"], row["user_id"]) for row in rows}
        for rows, given in ((of_teams, teams), (of_names, managers))
        if given
    ]
    found = frozenset(set.intersection(*chosen))
    if not found:
        raise ValueError(
            f"{' or '.join(managers)} is not in the {team} {' or '.join(teams)}, and a {team} and a manager together "
            f"mean the manager in that {team}. Leave out one of them."
        )
    return found
