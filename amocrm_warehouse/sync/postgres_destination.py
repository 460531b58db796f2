"""dlt's PostgreSQL destination, which replaces rows in one transaction and keeps empty texts apart from nulls.

dlt's own COPY job reads every empty field as NULL (FORCE_NULL), also a quoted one, which is how dlt writes an empty
text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dlt.common.destination.client import RunnableLoadJob
from dlt.common.storages import FileStorage
from dlt.destinations.impl.postgres.factory import postgres as factory
from dlt.destinations.impl.postgres.postgres import PostgresClient, PostgresCsvCopyJob
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

from amocrm_warehouse.sync.row_replacement import WithoutStaging, deletion

LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('source-amocrm'), hashtext(%s))"
HOLDER = (
    "SELECT coalesce(host(client_addr), 'the server itself'), backend_start FROM pg_locks "
    "JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
    "AND classid = hashtext('source-amocrm')::oid AND objid = hashtext(%s)::oid"
)

TEMPORARY = (
    "SELECT format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), current_user) "
    "WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')"
)
"""The statement that lets this user make temporary tables; no row if it may."""
NEW_ROWS = "pg_temp.new_rows"


def lock_tables(client: Psycopg2SqlClient, tables: str) -> str | None:
    """Locks the tables while this connection lives, against other machines too. Returns whoever holds the lock already.

    The lock is one of a transaction that stays open, because a connection pooler would keep the lock of a session.
    Raises ValueError for a database whose texts are not in UTF-8.
    """
    connection = client.open_connection()
    if (encoding := connection.get_parameter_status("server_encoding")) != "UTF8":
        raise ValueError(
            f"it keeps texts in {encoding}, which lacks letters and emoji that amoCRM has. Make one with CREATE "
            "DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    client.begin_transaction().__enter__()
    client.execute_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    locked: Any = client.execute_sql(LOCK, tables)
    if locked[0][0]:
        return None
    holder: Any = client.execute_sql(HOLDER, tables)
    if not holder:
        return "it has just ended"
    return f"a connection from {holder[0][0]}, since {holder[0][1]:%Y-%m-%d %H:%M:%S %Z}"


@contextmanager
def one_sync_at_a_time(client: Psycopg2SqlClient, dataset: str) -> Iterator[None]:
    """Keeps other syncs out of the block: two that create the schema and dlt's own tables at once would fail."""
    with client.begin_transaction():
        client.execute_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", dataset)
        yield


class ReplaceJob(RunnableLoadJob):
    def run(self) -> None:
        """Copies rows that replace single rows into a temporary table first, which no log of the server holds."""
        client = self._job_client.sql_client
        table = into = client.make_qualified_table_name(self.load_table_name)
        disposition = self._load_table["write_disposition"]
        with FileStorage.open_zipsafe_ro(self._file_path, "rb") as rows:
            columns = rows.readline().decode().strip()
            with client.begin_transaction(), client.native_connection.cursor() as cursor:
                if disposition == "merge":
                    into = NEW_ROWS
                    cursor.execute(f"CREATE TEMPORARY TABLE {into} (LIKE {table}) ON COMMIT DROP")
                elif disposition == "replace":
                    cursor.execute(deletion(client, self._load_table))
                cursor.copy_expert(f"COPY {into} ({columns}) FROM STDIN WITH (FORMAT CSV)", rows)
                if disposition == "merge":
                    cursor.execute(deletion(client, self._load_table, into))
                    cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {into}")


class AmocrmPostgresClient(WithoutStaging, PostgresClient):
    def create_load_job(self, table: Any, file_path: str, load_id: str, restore: bool = False) -> Any:
        job = super().create_load_job(table, file_path, load_id, restore)
        return ReplaceJob(file_path) if isinstance(job, PostgresCsvCopyJob) else job


class postgres(factory):  # noqa: N801 - dlt stores a destination by the name of its class
    @property
    def client_class(self) -> type[PostgresClient]:
        return AmocrmPostgresClient
