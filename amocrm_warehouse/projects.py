"""Which accounts a database holds: the projects that models unite, and those that no sync has read."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from amocrm_warehouse.database import DATABASE_ERRORS, Run, check_readable, quoted_table, reading, tables_seen
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.dbt_package import macros
from amocrm_warehouse.known_names import near_and_all
from amocrm_warehouse.table_names import table_name

NAME = re.compile(r"[\w-]+")
"""What a project in a table's name can be. Others, as in `amocrm_{x}_deals`, are not ours, and SQL would break."""

REMOVED_AT = "removed_at"
"""The key of the project's row of states that tells when the account was removed from its fleet (UTC). The next sync
writes the row without it."""


@dataclass(frozen=True)
class Projects:
    read: list[str]
    never_read: list[str]
    """Those whose first sync failed before it read deals or the account: they have other tables."""
    removed: dict[str, str] = field(default_factory=dict)
    """Those whose account was removed from its fleet, with the moment."""

    @property
    def notes(self) -> tuple[str, ...]:
        never_read = (
            f"The account {one} was never read, so the models are without it. Read it: source-amocrm sync --project "
            f"{one}. Or drop its tables, {table_name(one)}…"
            for one in self.never_read
        )
        removed = (
            f"The tables {table_name(one)}… are of the account {one}, which was removed from its fleet on {at[:10]}, "
            "and the models have it. Leave it out with --project, or drop its tables."
            for one, at in self.removed.items()
        )
        return (*never_read, *removed)


def projects_of(database: str, schema: str, named: list[str] | None) -> Projects:
    """Returns the projects that are named, else all in the schema.

    Raises ValueError if a named one has no tables there, if no account was read, and if the user may not read a table.
    """
    try:
        with reading(database) as run:
            names = tables_seen(run)
            found = projects_in(names, schema)
            chosen = found if named is None else named
            own = [table_name(one, stream) for one in chosen for stream in _streams()]
            check_readable(run, database, own, schema, "" if own else table_name("%", "%"))
            states = states_of(run, schema, [one for one in chosen if one.lower() in found], names)
    except DATABASE_ERRORS as error:
        raise ValueError(f"The database cannot be opened: {why(error)}") from None
    for project in chosen:
        if project.lower() not in found:
            raise ValueError(f"{macros('raw.sql').no_tables(project, schema)}{near_and_all(project, found)}")
    if not chosen and named is None:
        raise ValueError(
            f"There are no tables amocrm_<project>_… in the schema {schema} of this database. Read an account into it "
            "first: source-amocrm sync."
        )
    read = [one for one in chosen if {f"{schema}.{table_name(one, table)}" for table in ("deals", "account")} & names]
    removed = {one: state[REMOVED_AT] for one, state in states.items() if REMOVED_AT in state}
    projects = Projects(read, [one for one in chosen if one not in read], removed)
    if chosen and not read:
        raise ValueError("\n".join(projects.notes))
    return projects


def note_removal(run: Run, schema: str, project: str, moment: str) -> None:
    """Notes in a project's tables, if there are any, that its account was removed from a fleet."""
    state = table_name(project, "state")
    if f"{schema}.{state}" not in tables_seen(run):
        return
    table = quoted_table(run, schema, state)
    for (text,) in run(f"SELECT CAST(state AS VARCHAR) FROM {table} WHERE stream = ''")[1]:
        known = json.dumps({**json.loads(text), REMOVED_AT: moment})
        run(f"UPDATE {table} SET state = $known WHERE stream = ''", known=known)


def states_of(run: Run, schema: str, projects: Iterable[str], names: Collection[str]) -> dict[str, dict[str, Any]]:
    """Returns what syncs have noted of each project as a whole. `names`: schema.table."""
    found: dict[str, dict[str, Any]] = {}
    for project in projects:
        state = table_name(project, "state")
        if f"{schema}.{state}" in names:
            with suppress(*DATABASE_ERRORS):  # whoever may only read the tables of rows is told nothing
                query = f"SELECT CAST(state AS VARCHAR) FROM {quoted_table(run, schema, state)} WHERE stream = ''"
                for (text,) in run(query)[1]:
                    found[project] = json.loads(text)
    return found


def projects_in(names: Iterable[str], schema: str) -> list[str]:
    """Returns the projects of the tables `amocrm_<project>_<stream>` in a schema. `names`: schema.table.

    amocrm_my_deal_contacts is `contacts` of my_deal if my_deal has another table, else `deal_contacts` of my.
    """
    longest_first = sorted(_streams(), key=len, reverse=True)
    candidates = []
    for name in names:
        if not name.startswith(f"{schema}."):
            continue
        table = name.removeprefix(f"{schema}.")
        streams = (one for one in longest_first if table.endswith(f"_{one}"))
        matches = (re.fullmatch(table_name(f"({NAME.pattern})", stream), table) for stream in streams)
        if projects := [found[1] for found in matches if found and found[1] == found[1].lower()]:
            candidates.append(projects)
    certain = {project for project, *others in candidates if not others}
    return sorted(certain | {projects[0] for projects in candidates if certain.isdisjoint(projects)})


def _streams() -> list[str]:
    """Returns the names of the connector's tables; to import the streams would take a second."""
    return [Path(file.name).stem for file in (resources.files("source_amocrm") / "schemas").iterdir()]


def people_in(database: str, projects: list[str], schema: str) -> dict[str, set[int] | None]:
    """Returns the ids of each project's users, and of those who are gone but have deals. None: they were not read."""
    columns = {"users": "user_id", "deals": "responsible_user_id"}
    selects = " UNION ".join(f"SELECT {column} FROM {{{table}}}" for table, column in columns.items())
    found = {project: rows_of_tables(database, project, schema, selects, columns) for project in projects}
    return {project: None if rows is None else {user for (user,) in rows} for project, rows in found.items()}


def currencies_in(database: str, projects: list[str], schema: str) -> dict[str, str | None]:
    """Returns the currency of each project's account. None: it was not read."""
    select = "SELECT coalesce(currency, invoices_settings ->> 'currency') FROM {account}"
    found = {one: rows_of_tables(database, one, schema, select, ("account",)) for one in projects}
    return {project: rows[0][0] if rows else None for project, rows in found.items()}


def rows_of_tables(
    database: str, project: str, schema: str, select: str, names: Collection[str]
) -> list[tuple[Any, ...]] | None:
    """Runs a SELECT over tables of a project, which it names as `{users}`. Returns None if they cannot be read."""
    places = {name: table_name(project, name) for name in names}
    try:
        with reading(database) as run:
            if not {f"{schema}.{table}" for table in places.values()} <= tables_seen(run):
                return None
            quoted = {name: quoted_table(run, schema, table) for name, table in places.items()}
            return run(select.format(**quoted))[1]
    except DATABASE_ERRORS:
        return None
