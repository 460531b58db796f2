"""What every write shares: the lock, the author, the moment, and the parent's updated_at."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from ..account import SINGULAR, Account
from ..store import Row

F = TypeVar("F", bound=Callable[..., Any])
ROBOT = 0


def locked(write: F) -> F:
    """Runs the write, whose first argument is the account, while no request is being answered."""

    @wraps(write)
    def run(account: Account, *args: Any, **kwargs: Any) -> Any:
        with account.lock:
            return write(account, *args, **kwargs)

    return cast(F, run)


def author(account: Account, by: int | None) -> int:
    """The given user, else the account's first; 0 is a robot."""
    return next(iter(account.users), ROBOT) if by is None else by


def save(account: Account, kind: str, row_id: int, changes: Row, by: int, at: int) -> Row:
    """Stores a changed row. `changes` may carry its own updated_at: integrations may write any."""
    row = {**account.row(kind, row_id), "updated_at": at, "updated_by": by, **changes}
    account.table(kind).put(row_id, row)
    return row


def bump(account: Account, kind: str, row_id: int, by: int, at: int) -> None:
    """The row counts as changed although none of its own fields did; rows outside the lists are left alone."""
    if row_id in account.table(kind):
        save(account, kind, row_id, {}, by, at)


def record(account: Account, event_type: str, kind: str, row_id: int, by: int, at: int, **values: Any) -> None:
    account.record(event_type, SINGULAR[kind], row_id, by=by, at=at, **values)


def refresh_closest_task(account: Account, kind: str | None, row_id: int | None, by: int, at: int) -> None:
    """Recomputes the parent's closest_task_at; whether that counts as a change is a switch."""
    if kind is None or row_id is None or row_id not in account.table(kind):
        return
    deadlines = (
        task["complete_till"]
        for task in account.tables["tasks"]
        if task["entity_id"] == row_id and task["entity_type"] == kind and not task["is_completed"]
    )
    row = {**account.row(kind, row_id), "closest_task_at": min(deadlines, default=None)}
    if account.switches.tasks_bump:
        row |= {"updated_at": at, "updated_by": by}
    account.table(kind).put(row_id, row)
