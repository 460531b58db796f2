"""The account's dictionaries: short lists, read whole each time."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.errors import AmocrmError
from source_amocrm.streams.account import Account
from source_amocrm.streams.lists import ABSENT
from source_amocrm.streams.rows import dictionaries
from source_amocrm.streams.tables import Dictionary
from source_amocrm.walk.listing import Row

OPTIONAL = {"customers", "segments", "catalogs"}
"""Parts that not every account has."""


def _statuses(account: Account) -> Iterator[Row]:
    for pipeline in account.dictionary("/api/v4/leads/pipelines", "pipelines"):
        yield from dictionaries.statuses(pipeline)


def _users(account: Account) -> Iterator[Row]:
    return map(dictionaries.user, account.dictionary("/api/v4/users", "users", {"with": "role,group"}))


def _custom_fields(account: Account) -> Iterator[Row]:
    """The fields of every entity; a list that may not be read does not keep the others back."""
    failures: list[AmocrmError] = []
    lists: list[tuple[str, str, int | None]] = [
        (name, f"/api/v4/{name}/custom_fields", None) for name in ("leads", "contacts", "companies")
    ]
    if account.customers_on():
        lists += [
            ("customers", "/api/v4/customers/custom_fields", None),
            ("segments", "/api/v4/customers/segments/custom_fields", None),
        ]
    try:
        for catalog in account.dictionary("/api/v4/catalogs", "catalogs"):
            own = dictionaries.catalog_id(catalog)
            lists.append(("catalogs", f"/api/v4/catalogs/{own}/custom_fields", own))
    except ABSENT:
        pass
    except AmocrmError as error:
        failures.append(error)
    for entity_type, path, catalog_id in lists:
        try:
            fields = account.dictionary(path, "custom_fields")
        except AmocrmError as error:
            if entity_type in OPTIONAL and isinstance(error, ABSENT):
                continue
            failures.append(error)
            continue
        yield from (dictionaries.custom_field(field, entity_type, catalog_id) for field in fields)
    if failures:
        raise failures[0]


TABLES = (
    Dictionary(name="statuses", key=("pipeline_id", "status_id"), rows=_statuses),
    Dictionary(name="users", key=("user_id",), rows=_users),
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
    Dictionary(name="custom_fields", key=("entity_type", "custom_field_id"), rows=_custom_fields),
)
