"""Removes an account from a fleet: its files, and with its data also tables, rows of marts and published rows."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import STATE, FleetAccount
from amocrm_fleet.locks import account_held
from amocrm_fleet.processes import log_of
from amocrm_warehouse.database import DATABASE_ERRORS, models_of, opened, quoted, reading, run_on, tables_seen
from amocrm_warehouse.database_address import duckdb_file, is_file, without_password
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.projects import REMOVED_AT, note_removal, states_of
from amocrm_warehouse.table_names import SCHEMA, table_name
from source_amocrm.dates import iso

OWN_TABLES = ("state", "syncs", "verifications", "forgotten", "names")
"""Tables of an account beside those of its streams."""
ACCOUNTS = "int_accounts"
"""The model that lists the accounts. Its row goes last: `publish` knows the account by it."""


class Removed(NamedTuple):
    """Sentences about what is gone, and about what stays."""

    gone: list[str]
    left: list[str]


def remove(
    account: FleetAccount, to: str, *, with_data: bool, published: Sequence[str] = (), only: Sequence[str] = ()
) -> Removed:
    """Removes an account. The data go first, so that what fails can be repeated. Raises FleetError.

    `to`: the database; `{name}` in it becomes the account's name. `published`: warehouses whose rows go, too. `only`:
    what was published there, as in `source-amocrm publish --only`.
    """
    address, done = to.replace("{name}", account.name), Removed([], [])
    with account_held(account):
        shown, tables = without_password(address), f"the tables {table_name(account.project)}…"
        if with_data:
            try:
                _remove_data(account, address, done, published, only, own_file="{name}" in to)
            except DATABASE_ERRORS as error:
                raise FleetError(
                    f"{shown} cannot be used: {why(error)} No file of {account.name} was removed."
                ) from None
            except ValueError as error:
                raise FleetError(f"{error} No file of {account.name} was removed.") from None
        elif not is_file(address) or duckdb_file(address).exists():
            failed = _noted(account.project, address)
            later = "" if failed else ". The same command with --with-data removes them later"
            done.left.append(f"{shown}: {tables} and the rows of the project {account.project} in the marts{later}")
            done.left.extend(failed)
        for path in _files(account):
            path.unlink(missing_ok=True)
            done.gone.append(str(path))
        if (history := account.path.parent / STATE / "dagster").is_dir():
            done.left.append(f"{history}: Dagster's own history names the account")
        done.left.append("amoCRM: the integration keeps its access until an administrator of the account removes it")
    return done


def was_removed(account: FleetAccount, to: str) -> bool:
    """Tells whether an account's tables are there, and note that it was removed without them."""
    try:
        with reading(to.replace("{name}", account.name)) as run:
            states = states_of(run, SCHEMA, [account.project], tables_seen(run))
            return any(REMOVED_AT in state for state in states.values())
    except (ValueError, *DATABASE_ERRORS):
        return False


def _noted(project: str, address: str) -> list[str]:
    """Notes in the tables that stay that the account was removed, for `models`. Returns why that could not be."""
    try:
        with _writing(address) as connection:
            run = run_on(connection, address)
            note_removal(run, SCHEMA, project, iso(int(time.time())))
            run("COMMIT")
    except (ValueError, *DATABASE_ERRORS) as error:
        return [f"{without_password(address)}: models will not say that this account was removed: {why(error)}"]
    return []


def _files(account: FleetAccount) -> list[Path]:
    folder, log = account.path.parent, log_of(account)
    kept = [
        *folder.glob(f".{account.name}.*"),
        *(folder / STATE).glob(f"{account.name}.*"),
        *log.parent.glob(f"{log.name}*"),
    ]
    return [path for path in (*sorted(kept), account.path) if path.is_file()]


def _remove_data(
    account: FleetAccount,
    address: str,
    done: Removed,
    published: Sequence[str],
    only: Sequence[str],
    *,
    own_file: bool,
) -> None:
    if is_file(address) and not duckdb_file(address).exists():
        done.left.append(f"{without_password(address)}: there is no such file")
        return
    project = account.project
    with _writing(address) as connection:
        run = run_on(connection, address)
        own = _tables(run, table_name(project))
        marts = _marts(run)
        for table in marts:
            if table[1] != ACCOUNTS or not published:
                run(f"DELETE FROM {_name(table)} WHERE project_id = $project", project=project)
        for table in own if published else ():
            if table[1].removeprefix(table_name(project)) not in OWN_TABLES:
                run(f"DELETE FROM {_name(table)}")
        run("COMMIT")
    for warehouse in published:
        from amocrm_warehouse.publish.publish_command import publish

        counts = publish(address, warehouse, projects=[project], only=only or ["marts"])
        done.gone.append(f"{without_password(warehouse)}: the rows of {len(counts[project])} tables")
    if is_file(address) and own_file:
        file = duckdb_file(address)
        for path in (file, file.with_name(f"{file.name}.wal")):
            path.unlink(missing_ok=True)
        done.gone.append(str(file))
        return
    with _writing(address) as connection:
        run = run_on(connection, address)
        for table in marts:
            run(f"DELETE FROM {_name(table)} WHERE project_id = $project", project=project)
        for table in own:
            run(f"DROP TABLE {_name(table)}")
        run("COMMIT")
    shown = without_password(address)
    done.gone.append(
        f"{shown}: {len(own)} tables {table_name(project)}…, and its rows in {len(marts)} tables of models"
    )
    if is_file(address):
        done.left.append(
            f"{shown}: views of amocrm_staging that name these tables, until source-amocrm models builds again"
        )
        done.left.append(f"{shown}: free pages still hold old rows; COPY FROM DATABASE into a new file leaves them out")


def _writing(address: str) -> Any:
    return closing(opened(address))


def _name(table: tuple[str, str]) -> str:
    return ".".join(map(quoted, table))


def _tables(run: Any, prefix: str) -> list[tuple[str, str]]:
    """Returns the account's own tables: those that its table of states names, and no other project's."""
    listed = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema = $schema"
    there = {name: (schema, name) for schema, name in run(listed, schema=SCHEMA)[1] if name.startswith(prefix)}
    if prefix + "state" not in there:
        return []
    streams = [stream for (stream,) in run(f"SELECT stream FROM {_name(there[prefix + 'state'])}")[1]]
    names = {prefix + name for name in (*streams, *(f"{one}_history" for one in streams), *OWN_TABLES)}
    return [there[name] for name in sorted(there) if name in names or re.fullmatch(rf"{prefix}incoming_\d+", name)]


def _marts(run: Any) -> list[tuple[str, str]]:
    """Returns the tables of the models that tell accounts apart."""
    schemas = models_of(run).schemas.values()
    listed = (
        "SELECT columns.table_schema, columns.table_name FROM information_schema.columns AS columns "
        "JOIN information_schema.tables AS tables USING (table_schema, table_name) "
        "WHERE column_name = 'project_id' AND table_type = 'BASE TABLE' ORDER BY 1, 2"
    )
    return [(schema, table) for schema, table in run(listed)[1] if schema in schemas]
