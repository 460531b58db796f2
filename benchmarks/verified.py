"""Measures `source-amocrm verify` beside a long list of deals: its peak memory, and its requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from math import ceil
from pathlib import Path

import duckdb

from testing.http_server import serve

from .line import Line, Workspace
from .measure import COMMAND, Process, run
from .memory import answer_with, page_of

MOST_MEMORY = 200e6
"""Limit on the peak memory of a verification without its syncs (bytes)."""
BUDGET = 500
BEGUN = 1_600_000_000
"""Date of the first deal; each further one is a second younger."""


def verified(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """A table of deals that equals the account: one deal is synced, the others are written beside it."""
    deals = 20_000 if quick else 200_000
    folder = (workspace.folder / "verified").resolve()
    folder.mkdir(exist_ok=True)
    (folder / "crm.duckdb").unlink(missing_ok=True)
    account = _Deals(1)
    requested = 0

    def counted(query: dict[str, list[str]]) -> tuple[list[str], bool]:
        nonlocal requested
        requested += 1
        return account.page(query)

    with serve(answer_with(counted)) as server:
        _verb(folder, server.url, "sync", "--streams", "deals")
        with closing(duckdb.connect(str(folder / "crm.duckdb"))) as connection:
            connection.execute(
                "INSERT INTO amocrm.amocrm_1001_deals SELECT deals.* REPLACE (added.own AS lead_id, "
                f"to_timestamp({BEGUN} + added.own) AS updated_at, to_timestamp({BEGUN} + added.own) AS date) "
                f"FROM amocrm.amocrm_1001_deals AS deals, range(2, {deals} + 1) AS added (own)"
            )
        account.count, requested = deals, 0
        process = _verb(folder, server.url, "verify", "--no-sync", "--requests", str(BUDGET))
    most = 1.2 * ceil(deals / 250) + BUDGET
    figures = process.figures | {"requests": f"{requested:,}", "at most": f"{MOST_MEMORY / 1e6:.0f} MB, {most:,.0f}"}
    said = (folder / "verify.txt").read_text(encoding="utf-8")
    held = process.memory <= MOST_MEMORY and requested <= most and f"All {deals:,} rows looked at are equal" in said
    yield Line(f"verify of {deals:,} deals in DuckDB", figures, held)


class _Deals:
    """The list of deals, by filters of IDs and of dates."""

    def __init__(self, count: int) -> None:
        self.count = count

    def page(self, query: dict[str, list[str]]) -> tuple[list[str], bool]:
        if ids := query.get("filter[id][]") or [own for name, own in _numbered(query)]:
            return [_deal(int(own)) for own in ids], False
        since = int(query.get("filter[updated_at][from]", ["0"])[0])
        return page_of(query, range(max(1, since - BEGUN), self.count + 1), _deal)


def _numbered(query: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name, values[0]) for name, values in query.items() if name.startswith("filter[id][")]


def _deal(own: int) -> str:
    return f'{{"id":{own},"updated_at":{BEGUN + own},"name":"{"A deal " * 8}","price":5}}'


def _verb(folder: Path, url: str, verb: str, *options: str) -> Process:
    config = folder / "config.json"
    config.touch(mode=0o600)
    settings = {
        "account_domain": "example.amocrm.ru",
        "api_base_url": url,
        "credentials": {"auth_type": "long_lived_token", "access_token": "a-token"},
        "requests_per_second": 50,
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    given = ["--config", str(config), "--project", "1001", "--to", "duckdb:///crm.duckdb", *options]
    return run([str(COMMAND), verb, *given], folder, folder / f"{verb}.txt")
