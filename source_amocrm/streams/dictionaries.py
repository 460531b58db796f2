"""The account's dictionaries: short lists, read whole each time."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.account.account import Account
from source_amocrm.streams.each import Parts, cards, catalogs, customers, segments
from source_amocrm.streams.rows import dictionaries
from source_amocrm.sync.tables import Dictionary
from source_amocrm.walk.listing import Row

PIPELINES = "/api/v4/leads/pipelines"
USERS = "/api/v4/users"
FIELDS = Parts((cards, customers, segments, catalogs), "/custom_fields", "custom_fields")


def _statuses(account: Account) -> Iterator[Row]:
    for pipeline in account.dictionary(PIPELINES, "pipelines"):
        yield from dictionaries.statuses(pipeline)


def _users(account: Account) -> Iterator[Row]:
    return map(dictionaries.user, account.dictionary(USERS, "users", account.extras_of("users")))


def _custom_fields(account: Account) -> Iterator[Row]:
    for kind, field in FIELDS.rows(account):
        yield dictionaries.custom_field(field, kind.entity_type, kind.catalog_id)


TABLES = (
    Dictionary(name="statuses", key=("pipeline_id", "status_id"), rows=_statuses, lists=(PIPELINES,)),
    Dictionary(
        name="users",
        key=("user_id",),
        rows=_users,
        lists=(USERS,),
        extras={
            "group_id": ("group",),
            "role_id": ("role",),
            **{name: (name,) for name in ("phone_number", "uuid", "amojo_id", "user_rank")},
        },
    ),
    Dictionary(
        name="groups",
        key=("group_id",),
        rows=lambda account: map(dictionaries.group, account.embedded("users_groups")),
        account_extras=("users_groups",),
    ),
    Dictionary(name="note_types", key=("code",), rows=lambda _: dictionaries.NOTE_TYPES),
    Dictionary(
        name="task_types",
        key=("task_type_id",),
        rows=lambda account: map(dictionaries.task_type, account.embedded("task_types")),
        account_extras=("task_types",),
    ),
    Dictionary(name="element_types", key=("element_type_id",), rows=lambda _: dictionaries.ELEMENT_TYPES),
    Dictionary(name="custom_fields", key=("entity_type", "custom_field_id"), rows=_custom_fields, lists=(FIELDS,)),
)
