"""Measures what `sync --history deals` costs: a year of syncs with a hundred edits each, into a DuckDB file."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from amocrm_warehouse.sync.arrow_table import Table
from source_amocrm.streams import schema
from testing.loads import loading, waiting

EDITS = 100
"""Deals that change between two syncs. Two minutes of look-back bring a hundred others again, unchanged."""
Row = dict[str, Any]


def deal(number: int, chance: Random) -> Row:
    fields = [{"field_id": field, "values": [{"value": f"{chance.random():.12f}"}]} for field in range(12)]
    return {
        "lead_id": number, "name": f"Сделка {number}", "sale": chance.randrange(10**6), "custom_fields": fields,
        "pipeline_id": 1, "status_id": chance.randrange(8), "responsible_user_id": chance.randrange(20),
    }  # fmt: skip


def measured(file: Path, deals: int, syncs: int, history: set[str]) -> tuple[float, int]:
    """Returns the CPU seconds of a sync's loading, and the bytes of the file after all syncs."""
    chance, table = Random(1), Table("deals", schema.load("deals"), ["lead_id"], whole=False)
    with loading(str(file)) as loader:
        loader.history = history
        now = {number: deal(number, chance) for number in range(deals)}
        loader.load([waiting(table, [*now.values()])], {})
        began = time.process_time()
        for _ in range(syncs):
            edited = {number: deal(number, chance) for number in chance.sample(range(deals), EDITS)}
            again = {number: now[number] for number in chance.sample(range(deals), EDITS)}
            now |= edited
            loader.load([waiting(table, [*(again | edited).values()])], {})
        seconds = (time.process_time() - began) / syncs
    return seconds, file.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, default=20_000)
    parser.add_argument("--syncs", type=int, default=365)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        for history in (set[str](), {"deals"}):
            seconds, size = measured(Path(folder) / f"{len(history)}.duckdb", options.deals, options.syncs, history)
            name = "with" if history else "without"
            print(f"{name} history: {1000 * seconds:.0f} ms of CPU a sync, {size / 1e6:.1f} MB after {options.syncs}")


if __name__ == "__main__":
    main()
