"""Random writes of tasks and notes. Each returns a description, or None if no write was possible."""

from __future__ import annotations

from random import Random

from ..account import Account
from . import activity
from .chance import line, some, some_kind


def new_task(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    row_id = some(account, rng, kind)
    return line("add_task", activity.add_task(account, kind if row_id is not None else None, row_id))


def change_task(account: Account, rng: Random) -> str | None:
    task_id = some(account, rng, "tasks")
    if task_id is None:
        return None
    chance = rng.random()
    if chance < 0.4:
        activity.complete_task(account, task_id, rng.choice((None, "готово")))
    elif chance < 0.8:
        activity.edit_task(account, task_id, text=f"Задача {rng.randrange(10**6)}")
    else:
        activity.edit_task(account, task_id, complete_till=account.clock.now() + rng.randrange(10**6))
    return line("change_task", task_id)


def drop_task(account: Account, rng: Random) -> str | None:
    task_id = some(account, rng, "tasks")
    if task_id is None:
        return None
    activity.delete_task(account, task_id)
    return line("delete_task", task_id)


def new_note(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    row_id = some(account, rng, kind)
    if row_id is None:
        return None
    note_type = rng.choice(("common", "common", "service_message"))
    return line("add_note", kind, activity.add_note(account, kind, row_id, note_type=note_type))


def change_note(account: Account, rng: Random) -> str | None:
    kind = some_kind(rng)
    note_id = some(account, rng, f"{kind}/notes")
    if note_id is None:
        return None
    if rng.random() < 0.3 and account.row(f"{kind}/notes", note_id)["note_type"] == "common":
        activity.delete_note(account, kind, note_id)
        return line("delete_note", kind, note_id)
    activity.edit_note(account, kind, note_id, f"Текст {rng.randrange(10**6)}")
    return line("edit_note", kind, note_id)
