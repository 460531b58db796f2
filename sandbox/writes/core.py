"""Functions for every write: the lock, the author, saving a row, and changing its parent's updated_at."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from ..account import Account
from ..account_data import SINGULAR
from ..store import Row

F = TypeVar("F", bound=Callable[..., Any])
ROBOT = 0


def locked(write: F) -> F:
    """Makes a write hold the lock of the account, its first argument, so that no request is answered meanwhile."""

    @wraps(write)
    def run(account: Account, *args: Any, **kwargs: Any) -> Any:
        with account.lock:
            return write(account, *args, **kwargs)

    return cast(F, run)


def author(account: Account, by: int | None) -> int:
    """Returns `by` or, for None, the account's first user. 0 is a robot."""
    return next(iter(account.users), ROBOT) if by is None else by


def save(account: Account, kind: str, row_id: int, changes: Row, by: int, at: int) -> Row:
    """Stores a changed row. `changes` may hold updated_at, as integrations may write any."""
    row = {**account.row(kind, row_id), "updated_at": at, "updated_by": by, **changes}
    account.tables[kind].put(row_id, row)
    return row


def bump(account: Account, kind: str, row_id: int, by: int, at: int) -> None:
    """Sets the row's updated_at, though none of its columns changed. A row that is not in the list stays as it is."""
    if row_id in account.tables[kind]:
        save(account, kind, row_id, {}, by, at)


def record(account: Account, event_type: str, kind: str, row_id: int, by: int, at: int, **values: Any) -> None:
    account.record(event_type, SINGULAR[kind], row_id, by=by, at=at, **values)


def refresh_closest_task(account: Account, kind: str | None, row_id: int | None, by: int, at: int) -> None:
    """Recomputes the parent's closest_task_at. With `tasks_bump`, that changes its updated_at, too."""
    if kind is None or row_id is None or row_id not in account.tables[kind]:
        return
    deadlines = (
        task["complete_till"]
        for task in account.tables["tasks"]
        if task["entity_id"] == row_id and task["entity_type"] == kind and not task["is_completed"]
    )
    row = {**account.row(kind, row_id), "closest_task_at": min(deadlines, default=None)}
    if account.switches.tasks_bump:
        row |= {"updated_at": at, "updated_by": by}
    account.tables[kind].put(row_id, row)
