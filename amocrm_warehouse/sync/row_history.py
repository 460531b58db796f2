"""Keeps each version of a row that a sync replaces or removes, in the table `amocrm_<project>_<stream>_history`."""

from __future__ import annotations

from amocrm_warehouse.sync.arrow_table import CHANGES, READ_AT, Shape
from amocrm_warehouse.sync.destination import Destination, quoted

HELD_FROM, HELD_UNTIL = "held_from", "held_until"
SAME = (READ_AT, "read_at", "listed_at", CHANGES)
"""Columns that tell of the reading. A row that differs in these alone is no new version."""


def history_of(shape: Shape) -> Shape:
    """Returns the columns of a stream's versions: those of its rows, and the moments between which they held.

    HELD_FROM: when a sync read the version first, null if it was there before versions were kept. HELD_UNTIL: when a
    sync replaced it.
    """
    kinds = {**shape.kinds, HELD_FROM: "time", HELD_UNTIL: "time"}
    return Shape(f"{shape.stream}_history", kinds)


def keep_versions(database: Destination, shape: Shape, target: str, history: str, new: str, *, whole: bool) -> None:
    """Keeps the rows of a table that those of the relation `new` replace by others. With `whole` also those without one
    there."""
    columns = ", ".join(map(quoted, shape.kinds))
    held = ", ".join(f"held.{quoted(name)}" for name in shape.kinds)
    key = " AND ".join(f"new.{name} = held.{name}" for name in map(quoted, shape.key))
    compared = [quoted(name) for name in shape.kinds if name not in (*shape.key, *SAME)]
    differs = " OR ".join(f"new.{name} IS DISTINCT FROM held.{name}" for name in compared) or "false"
    keys = ", ".join(map(quoted, shape.key))
    before = " AND ".join(f"earlier.{name} = held.{name}" for name in map(quoted, shape.key))
    gone = f" OR new.{quoted(shape.key[0])} IS NULL" if whole else ""
    database.execute(
        f"INSERT INTO {history} ({columns}, {HELD_FROM}, {HELD_UNTIL}) SELECT {held}, earlier.until, current_timestamp "
        f"FROM {target} AS held LEFT JOIN {new} AS new ON {key} "
        f"LEFT JOIN (SELECT {keys}, max({HELD_UNTIL}) AS until FROM {history} GROUP BY {keys}) AS earlier ON {before} "
        f"WHERE new.{quoted(shape.key[0])} IS NOT NULL AND ({differs}){gone}"
    )


def forget_versions(database: Destination, history: str, days: int) -> None:
    """Drops the versions that a sync replaced more than so many days ago."""
    database.execute(f"DELETE FROM {history} WHERE {HELD_UNTIL} < current_timestamp - INTERVAL '{days} days'")
