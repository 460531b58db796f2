"""Tasks and their types."""

from __future__ import annotations

from source_amocrm.account.resources import TASKS
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import AccountStream, IncrementalStream
from source_amocrm.streams.fixed import ELEMENT_TYPE
from source_amocrm.streams.values import Json, child


def result_of(task: Json) -> Json:
    """A task's result: amoCRM sends `[]` while there is none, and then `{"text": …}`. A bare text is the result."""
    result = task.get("result")
    return child(result, "text") if type(result) in (list, dict) else result


def element_type_of(task: Json) -> int | None:
    kind = task.get("entity_type")
    return ELEMENT_TYPE.get(kind) if type(kind) is str else None


class Tasks(IncrementalStream):
    name = "tasks"
    primary_key = ["task_id"]
    relations = {
        **to.ELEMENT,
        "responsible_user_id": to.USER,
        "group_id": to.GROUP,
        **to.AUTHORS,
        "account_id": to.ACCOUNT,
        "task_type": to.TASK_TYPE,
    }
    resources = (TASKS,)
    deletable = True
    found = {"element_type": element_type_of, "result": result_of}


class TaskTypes(AccountStream):
    name = "task_types"
    primary_key = ["task_type_id"]
    collection = "task_types"
    account_extras = ("task_types",)
