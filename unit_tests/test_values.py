"""What each column type makes of right, odd and impossible values, and what is said about the last."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from source_amocrm.streams import values
from source_amocrm.streams.record import ChangedRow, Record, RowError
from source_amocrm.streams.values import UnreadableError


def nested(levels: int) -> Any:
    value: Any = "core"
    for _ in range(levels):
        value = {"in": value}
    return value


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """The warnings of the connector so far, whether or not its logger propagates."""
    logger = logging.getLogger("airbyte")
    logger.addHandler(caplog.handler)
    yield lambda: [
        record.getMessage()
        for record in dict.fromkeys(caplog.records)
        if record.name == "airbyte" and record.levelno == logging.WARNING
    ]
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (12, 12),
        (2**53 + 1, 2**53 + 1),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        ("12", 12),
        (" -7 ", -7),
        ("9007199254740993", 9007199254740993),
        (12.0, 12),
        ("12.0", 12),
        ("", None),
        ("  ", None),
    ],
)
def test_integer(value: Any, expected: int | None) -> None:
    got = values.as_integer(value)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        1.5,
        1e17,
        float("nan"),
        float("inf"),
        2**63,
        "9" * 30,
        "9" * 5000,
        "1_000",
        "١٢",
        "0x1",
        "x",
        [],
        {},
    ],
)
def test_not_an_integer(value: Any) -> None:
    with pytest.raises(UnreadableError):
        values.as_integer(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (1.5, 1.5),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("100", 100),
        ("1e3", 1000.0),
        ("", None),
        (2**64, float(2**64)),
    ],
)
def test_number(value: Any, expected: float | None) -> None:
    got = values.as_number(value)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize("value", [True, "1,5", "1e999", "nan", "inf", 10**400, float("inf"), [1], {"a": 1}])
def test_not_a_number(value: Any) -> None:
    with pytest.raises(UnreadableError):
        values.as_number(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ""),
        (" text\n\u0000 ", " text\n\u0000 "),
        (5, "5"),
        (2**70, str(2**70)),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        ({"б": [1, None, True], "а": "ё"}, '{"б":[1,null,true],"а":"ё"}'),
        ([], "[]"),
        ({"big": 2**70}, '{"big":1180591620717411303424}'),
        ({"half": "\ud83d"}, '{"half":"?"}'),
    ],
)
def test_text(value: Any, expected: str) -> None:
    assert values.as_text(value) == expected


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), nested(100_000)])
def test_no_text(value: Any) -> None:
    with pytest.raises(UnreadableError):
        values.as_text(value)


def test_text_of_a_deep_object_is_whole() -> None:
    assert json.loads(values.as_text(nested(300))) == nested(300)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        (1.0, True),
        ("true", True),
        ("False", False),
        ("1", True),
        ("0", False),
        ("", None),
    ],
)
def test_boolean(value: Any, expected: bool | None) -> None:
    assert values.as_boolean(value) is expected


@pytest.mark.parametrize("value", [2, -1, 0.5, "yes", [], {}, [True]])
def test_not_a_boolean(value: Any) -> None:
    with pytest.raises(UnreadableError):
        values.as_boolean(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1653998416, "2022-05-31T12:00:16Z"),
        ("1653998416", "2022-05-31T12:00:16Z"),
        (1653998416.9, "2022-05-31T12:00:16Z"),
        (0, None),
        ("0", None),
        (0.0, None),
        ("", None),
        (1, "1970-01-01T00:00:01Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (-62_135_596_800, "0001-01-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ],
)
def test_timestamp(value: Any, expected: str | None) -> None:
    assert values.as_timestamp(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        253_402_300_800,
        -62_135_596_801,
        1653998416000,
        2**63,
        10**400,
        1e300,
        True,
        "2022-05-31",
        "soon",
        [],
        {},
    ],
)
def test_not_a_timestamp(value: Any) -> None:
    with pytest.raises(UnreadableError):
        values.as_timestamp(value)


def test_links_are_stripped_everywhere_and_the_source_is_left_alone() -> None:
    given = {"_links": {"self": 1}, "a": [{"_links": 2, "b": {"_links": 3, "c": 4}}, "_links"], "d": [5]}
    before = deepcopy(given)
    clean = values.without_links(given)
    assert clean == {"a": [{"b": {"c": 4}}, "_links"], "d": [5]}
    assert given == before
    assert clean["d"] is given["d"]


def test_json_without_links_is_passed_through() -> None:
    given = [{"a": [1, {"b": 2}]}]
    assert values.without_links(given) is given


def test_json_may_be_deep_but_not_endless() -> None:
    assert values.as_object(nested(values.MAX_DEPTH)) == nested(values.MAX_DEPTH)
    deep = {"_links": None, **nested(values.MAX_DEPTH - 1)}
    assert values.as_object(deep) == nested(values.MAX_DEPTH - 1)
    for endless in ({"_links": None, "a": nested(values.MAX_DEPTH + 1)}, nested(900)):
        with pytest.raises(UnreadableError):
            values.as_object(endless)


def test_links_are_stripped_beside_a_number_that_is_too_long_for_orjson() -> None:
    assert values.without_links([{"_links": 1, "a": 2**70}]) == [{"a": 2**70}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, "a"], [1, "a"]),
        ({}, []),
        ({"0": {"id": 1}, "1": {"id": 2}}, [{"id": 1}, {"id": 2}]),
        ({"id": 1, "_links": {}}, [{"id": 1}]),
    ],
)
def test_array(value: Any, expected: list[Any]) -> None:
    assert values.as_array(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [({"a": 1, "_links": 0}, {"a": 1}), ([], {}), ([{"a": 1, "_links": 0}, 2], {"0": {"a": 1}, "1": 2})],
)
def test_object(value: Any, expected: dict[str, Any]) -> None:
    assert values.as_object(value) == expected


@pytest.mark.parametrize("value", ["text", 5, True])
def test_a_scalar_is_neither_array_nor_object(value: Any) -> None:
    for coerce in (values.as_array, values.as_object):
        with pytest.raises(UnreadableError):
            coerce(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"id": 1}, 1),
        ([{"id": 1}, {"id": 2}], 1),
        ({"0": {"id": 1}, "1": {"id": 2}}, 1),
        ({}, None),
        ([], None),
        ([[]], None),
        (None, None),
        ("id", None),
    ],
)
def test_child(value: Any, expected: int | None) -> None:
    assert values.child(value, "id") == expected


def test_an_unreadable_value_is_reported_once_a_column_and_never_shown(
    warnings: Callable[[], list[str]],
) -> None:
    make = Record("deals")
    contacts, tags = (
        [None, 5, {"id": "6"}, {"id": [7]}],
        [None, "новый", {"id": "7", "name": 8, "extra": 9}, ["secret-4"]],
    )
    odd = {"group_id": "secret-1", "closed_at": 253_402_300_800, "is_deleted": {"secret": 3}}
    row = make({"id": 1, **odd, "_embedded": {"contacts": contacts, "tags": tags}})
    assert make({"id": 1, "group_id": "secret-2"})["group_id"] is None
    assert {name: row[name] for name in (*odd, "contacts", "tags")} == {
        **dict.fromkeys(odd),
        "contacts": [5, 6],
        "tags": [{"id": None, "name": "новый", "color": None}, {"id": 7, "name": "8", "color": None}],
    }
    assert isinstance(row, ChangedRow)
    assert row.changes == ("group_id", "contacts", "closed_at", "tags", "is_deleted")
    ending = " that the column cannot hold; it is left empty in that row. Further ones in this column are not reported."
    assert warnings() == [
        "Table deals, column group_id: amoCRM sent a text" + ending,
        "Table deals, column contacts: amoCRM sent null" + ending,
        "Table deals, column closed_at: amoCRM sent a number" + ending,
        "Table deals, column tags: amoCRM sent null" + ending,
        "Table deals, column is_deleted: amoCRM sent an object" + ending,
    ]


def test_right_values_are_not_reported(warnings: Callable[[], list[str]]) -> None:
    row = Record("deals")(
        {"id": 1, "score": "12", "closed_at": 0, "name": 5, "_embedded": {"contacts": [{"id": 1}], "tags": [{}]}}
    )
    assert (row["score"], row["closed_at"], row["name"], row["contacts"]) == (12, None, "5", [1])
    assert not isinstance(row, ChangedRow)
    assert warnings() == []


def test_keys() -> None:
    deals, events = Record("deals"), Record("events")
    assert deals({"id": 2**53 + 1})["lead_id"] == 2**53 + 1
    assert deals({"id": "12"})["lead_id"] == 12
    assert events({"id": "01pz58"})["event_id"] == "01pz58"
    assert events({"id": 12})["event_id"] == "12"


@pytest.mark.parametrize("key", [None, "", True, [], {}, 2**64, 1.5])
def test_a_row_without_its_key_says_what_is_known_of_it(key: Any) -> None:
    lead = {"id": key, "name": "secret", "account_id": 5, "created_at": "secret", "updated_at": 1653998416}
    with pytest.raises(RowError) as caught:
        Record("deals")(lead)
    said = str(caught.value)
    assert said.startswith("amoCRM sent a row for the table deals without its key lead_id (")
    assert "so it cannot be delivered. " in said
    assert "account_id 5, updated_at 1653998416. Run the sync again; " in said
    assert "secret" not in said


def test_a_missing_key_in_full() -> None:
    with pytest.raises(RowError) as caught:
        Record("events")({})
    assert str(caught.value) == (
        "amoCRM sent a row for the table events without its key event_id (null stands there), so it cannot "
        "be delivered. Known of the row: nothing. Run the sync again; if it repeats, report it to amoCRM "
        "support with what is known of the row."
    )


@pytest.mark.parametrize(
    ("element", "kind"),
    [(None, "null"), ([], "an array"), ("x", "a text"), (5, "a number"), (True, "a boolean")],
)
def test_a_row_that_is_not_an_object(element: Any, kind: str) -> None:
    with pytest.raises(RowError) as caught:
        Record("deals")(element)
    assert str(caught.value) == (
        f"amoCRM sent {kind} where a row of the table deals should be, so that row cannot be delivered. "
        "Run the sync again; if it repeats, report it to amoCRM support with the time of the sync."
    )


@pytest.mark.parametrize(
    ("whole", "exact", "wanted"),
    [
        (100, 100.5, "100.5"),
        (123, 123.45, "123.45"),
        (100, 100.1, "100.1"),
        (0, 0.75, "0.75"),
        (-100, -100.5, "-100.5"),
        (123, 123.0, "123"),
        (123, 123, "123"),
        (123, 0, "123"),
        (123, 0.0, "123"),
        (123, "0.00", "123"),
        (123, None, "123"),
        (123, "", "123"),
        (123, "123.45", "123.45"),
        (123, [], "123"),
        (123, True, "123"),
        (None, 123.45, "123.45"),
        (None, 0, "null"),
        (0, 0, "0"),
        ("99.50", None, '"99.50"'),
    ],
)
def test_an_amount_is_the_exact_one_where_that_is_given_and_not_0(whole: Any, exact: Any, wanted: str) -> None:
    amount = values.exact_amount("price")
    assert values.compact_json(amount({"price": whole, "price_with_minor_units": exact})) == wanted
    assert amount({"price": whole}) == whole
