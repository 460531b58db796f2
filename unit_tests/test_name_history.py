"""A name that the account has removed or changed is kept, with the moments between which it was seen."""

from __future__ import annotations

from testing.loads import loading, table, waiting
from testing.warehouse import query

PROPERTIES = {
    "name": {"type": ["null", "string"]}, "pipeline_id": {"type": "integer"}, "status_id": {"type": "integer"},
    "status_name": {"type": ["null", "string"]}, "status_color": {"type": ["null", "string"]},
    "status_sort": {"type": ["null", "integer"]}, "user_id": {"type": "integer"},
}  # fmt: skip
HELD = (
    "SELECT parent, id, name, color, sort, gone_at IS NULL AS is_there FROM amocrm.amocrm_1_names "
    "WHERE source_table = '{}' ORDER BY first_seen_at, id, name"
)
Stage = tuple[int, str, str, int]


def read_stages(database: str, *stages: Stage, complete: bool = True) -> None:
    """Loads the stages (id, name, color, sort) of the pipeline 7, as a sync that reads the list does."""
    columns = ("pipeline_id", "status_id", "status_name", "status_color", "status_sort")
    of = table({name: PROPERTIES[name] for name in columns}, stream="statuses", whole=True)
    rows = [{"lead_id": number, **dict(zip(columns, (7, *stage), strict=True))} for number, stage in enumerate(stages)]
    with loading(database) as loader:
        loader.load([waiting(of, rows, complete=complete)], {})


def read_users(database: str, names: dict[int, str], personal_data: str = "") -> None:
    of = table({name: PROPERTIES[name] for name in ("user_id", "name")}, stream="users", whole=True)
    rows = [{"lead_id": user, "user_id": user, "name": name} for user, name in names.items()]
    with loading(database) as loader:
        loader.personal_data = personal_data
        loader.load([waiting(of, rows)], {})


def names(database: str, of: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in query(database, HELD.format(of))]


def test_what_was_removed_renamed_or_moved_keeps_its_earlier_names(database: str) -> None:
    read_stages(database, (1, "Новая", "red", 10), (2, "Счёт", "blue", 20))
    read_stages(database, (1, "Новая", "red", 10), (2, "Счёт", "blue", 20))
    first = [("7", 1, "Новая", "red", 10, True), ("7", 2, "Счёт", "blue", 20, True)]
    assert names(database, "statuses") == first
    read_stages(database, (1, "Заявка", "red", 10))
    assert names(database, "statuses") == [
        ("7", 1, "Новая", "red", 10, False), ("7", 2, "Счёт", "blue", 20, False), ("7", 1, "Заявка", "red", 10, True),
    ]  # fmt: skip
    read_stages(database, (1, "Новая", "red", 10), (2, "Счёт", "blue", 30))
    assert names(database, "statuses")[2:] == [
        ("7", 1, "Заявка", "red", 10, False), ("7", 1, "Новая", "red", 10, True), ("7", 2, "Счёт", "blue", 30, True),
    ]  # fmt: skip


def test_a_list_that_broke_off_removes_no_name(database: str) -> None:
    read_stages(database, (1, "Новая", "red", 10), (2, "Счёт", "blue", 20))
    read_stages(database, (1, "Новая", "red", 10), complete=False)
    assert [is_there for *_, is_there in names(database, "statuses")] == [True, True]


def test_names_that_are_hidden_from_now_on_leave_nothing_behind(database: str) -> None:
    read_users(database, {1: "Анна", 2: "Иван"})
    read_users(database, {1: "Анна"})
    assert [row[2:3] for row in names(database, "users")] == [("Анна",), ("Иван",)]
    read_users(database, {1: "5f2c"}, personal_data="other")
    assert names(database, "users") == [("", 1, "5f2c", None, None, True)]
