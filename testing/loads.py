"""Loads rows into a database as a sync does, without a connector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from amocrm_warehouse.sync.arrow_table import Table
from amocrm_warehouse.sync.destination import destination
from amocrm_warehouse.sync.load_queue import Waiting
from amocrm_warehouse.sync.loader import HeldAccount, Loader

ACCOUNT = HeldAccount(5, "example")


@contextmanager
def loading(
    address: str, project: str = "1", dataset: str = "amocrm", account: HeldAccount | None = ACCOUNT
) -> Iterator[Loader]:
    """Yields an opened loader of an account that amoCRM has named."""
    loader = Loader(destination(address), project, dataset)
    try:
        loader.open()
        loader.account = loader.account or account
        yield loader
    finally:
        loader.close()


def table(properties: Mapping[str, Any] | None = None, *, stream: str = "deals", whole: bool = False) -> Table:
    """Returns a table with the key lead_id."""
    schema = {"properties": {"lead_id": {"type": "integer"}, **(properties or {})}}
    return Table(stream, schema, ["lead_id"], whole=whole)


def waiting(of: Table, rows: Sequence[Mapping[str, Any]], *, complete: bool = True) -> Waiting:
    return Waiting(of, [of.batch([dict(row)], 0) for row in rows], complete)
