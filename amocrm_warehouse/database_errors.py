"""Says in a sentence why a database cannot be used, and what to do next."""

from __future__ import annotations

import re
from pathlib import Path

from amocrm_warehouse.database_address import without_password

_PREFIX = re.compile(r"^connection to server (?:at|on socket) .*?(?:FATAL|ВАЖНО|fe_sendauth): +")
_LOCKED = re.compile(
    r'file "(?P<file>[^"]+)".*?(?:lock is held in|already open in)\s+(?P<program>[^\n(]+) \(PID (?P<id>\d+)\)',
    re.DOTALL,
)
_ADVICE = {
    "no password supplied": "Put the user's password into the environment variable PGPASSWORD.",
    "password authentication failed|не прош[её]л проверку подлинности": (
        "Correct the user in --to, or the password: in --to, or else in the environment variable PGPASSWORD."
    ),
    'database ("[^"]+") does not exist|база данных ("[^"]+") не существует': (
        "Create it (CREATE DATABASE {name}), or correct the name at the end of --to."
    ),
    'role ("[^"]+") does not exist|роль ("[^"]+") не существует': (
        "Correct the user in --to, or create it (CREATE ROLE {name} LOGIN PASSWORD …)."
    ),
    "could not translate host name": "Correct the host in --to.",
    "Connection refused|timeout expired|timed out|No route to host|Network is unreachable": (
        "Start the server, or correct the host and the port in --to."
    ),
    r"no pg_hba\.conf entry": (
        "Let the server's administrator add this user and this machine to pg_hba.conf. If the server wants TLS, set "
        "PGSSLMODE=require."
    ),
    r"Access denied for user .* to database '(.+?)(?:_marts)?'|command denied to .* for table `(.+?)(?:_marts)?`": (
        "Let the server's administrator run GRANT ALL ON `{name}%`.* TO this user."
    ),
    "Access denied for user": (
        "Correct the user in --to, or the password: in --to, or else in the environment variable MYSQL_PWD."
    ),
    "disabled the local infile|Loading local data is disabled": (
        "Let the server's administrator run SET GLOBAL local_infile = ON."
    ),
    "statement timeout|тайм-аут": "It took longer than a statement may. Ask for fewer days or rows, or join less.",
    "permission denied|must be owner|нет доступа": "Let their owner grant the right, or name another user in --to.",
}
"""The next step after a database's error, by words of its message; {name} stands for the name in these words."""


OUT_OF_MEMORY = "Out of Memory Error"
"""How DuckDB's message begins when a statement needs more memory than the limit, and cannot wait on the disk."""
MORE_MEMORY = (
    "DuckDB needs more memory than it may take, by default 1 GB. Give it more by the environment: "
    "AMOCRM_DUCKDB_MEMORY=4GB."
)


def why(error: BaseException | str) -> str:
    """Returns the first line of a database's error, without the password, and the next step, if one is known."""
    text = without_password(str(error).strip()) or type(error).__name__
    if OUT_OF_MEMORY in text:
        return MORE_MEMORY
    if locked := _LOCKED.search(text):
        program = Path(locked["program"].replace("\\", "/")).name
        return f"{locked['file']} is open in {program} (process {locked['id']}). Close it there, or wait for its end."
    line = _PREFIX.sub("", text.splitlines()[0])
    for words, advice in _ADVICE.items():
        if found := re.search(words, line):
            return f"{line.rstrip('.')}. {advice.format(name=next(filter(None, found.groups()), ''))}"
    return line


RIGHTS = """
    SELECT DISTINCT CASE
        WHEN to_regnamespace(quote_ident(name)) IS NULL THEN
            CASE WHEN NOT has_database_privilege(current_database(), 'CREATE')
            THEN format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user) END
        WHEN NOT has_schema_privilege(to_regnamespace(quote_ident(name))::oid, 'CREATE') THEN
            format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', name, current_user)
    END AS missing FROM unnest(string_to_array('{schemas}', ',')) AS name ORDER BY 1
"""
"""The statements that give this PostgreSQL user the rights to write into schemas, and a null."""


READ_RIGHTS = """
    SELECT DISTINCT format(
        'GRANT USAGE ON SCHEMA %I TO %I; GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I; '
        'ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO %I',
        schemas.nspname, current_user, schemas.nspname, current_user, schemas.nspname, current_user
    )
    FROM pg_class AS tables INNER JOIN pg_namespace AS schemas ON schemas.oid = tables.relnamespace
    WHERE tables.relkind IN ('r', 'v', 'm', 'p', 'f')
        AND schemas.nspname LIKE $schema AND (tables.relname = ANY ($tables) OR tables.relname LIKE $pattern)
        AND NOT (has_schema_privilege(schemas.oid, 'USAGE') AND has_table_privilege(tables.oid, 'SELECT'))
    ORDER BY 1
"""
"""The statements that let this user read the tables `$tables`, or like `$pattern`, of schemas like `$schema`."""


OWNERS = """
    SELECT DISTINCT quote_ident(pg_get_userbyid(tables.relowner))
    FROM pg_class AS tables INNER JOIN pg_namespace AS schemas ON schemas.oid = tables.relnamespace
    WHERE tables.relkind IN ('r', 'v', 'm', 'p', 'f') AND schemas.nspname = ANY ($schemas)
        AND NOT pg_has_role(tables.relowner, 'USAGE')
    ORDER BY 1
"""
"""The owners of tables in the schemas `$schemas` whose tables this user may not replace."""


def check_owners(others: list[str]) -> None:
    """Raises ValueError if tables that are to be replaced belong to others: PostgreSQL lets only an owner do that."""
    if others:
        raise ValueError(
            f"The tables of the last build belong to {', '.join(others)}, and PostgreSQL lets only an owner replace a "
            "table. Name this user in --to, or let the server's administrator make the present one a member: "
            f"{'; '.join(f'GRANT {owner} TO …' for owner in others)}."
        )


def check_rights(missing: list[str], what: str = "create the tables") -> None:
    """Raises ValueError if rights to do `what` are missing. `missing`: the statements that grant them."""
    if missing:
        raise ValueError(
            f"This PostgreSQL user may not {what}. Let the owner of the database run {'; '.join(missing)}; and run "
            "again."
        )
