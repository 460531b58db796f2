from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.http.reply import ReplyKind, cost, costs_at_most, parse


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"id": 1}', {"id": 1}),
        (b' \n{"id": 9223372036854775807}', {"id": 9223372036854775807}),
        ('{"name": "Сделка 🙂"}'.encode(), {"name": "Сделка 🙂"}),
        (b'{"name": "a\\ud83d"}', {"name": "a\ufffd"}),
        (b'{"\\udc00": ["\\ud83d\\ude42", "\\ude42\\ud83d"]}', {"\ufffd": ["🙂", "\ufffd\ufffd"]}),
        (b'{"name": "a\x01b\tc"}', {"name": "a\x01b\tc"}),
        (b'{"a\\u0000b": ["\\u0000", {"c": "\\u0000\\u00e9"}]}', {"a\ufffdb": ["\ufffd", {"c": "\ufffd\u00e9"}]}),
        (b'{"name": "\\\\u0000"}', {"name": "\\u0000"}),
        (
            b'{"price": NaN, "sale": [Infinity, -Infinity, 1e999, 1.5]}',
            {"price": None, "sale": [None, None, None, 1.5]},
        ),
        (b'\xef\xbb\xbf{"id": 1}', {"id": 1}),
        (b'{"name": "\xd1\x80\xff"}', {"name": "р\ufffd"}),
        (b'{"id": 1, "id": 2}', {"id": 2}),
    ],
)
def test_a_json_object_is_parsed(data: bytes, value: dict[str, Any]) -> None:
    assert parse(data) == (ReplyKind.OBJECT, value)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ReplyKind.EMPTY),
        (b" \r\n", ReplyKind.EMPTY),
        (b"<html><head><title>502</title></head></html>", ReplyKind.HTML),
        (b"\n<!DOCTYPE html>", ReplyKind.HTML),
        (b'{"id": 1, "name": "cut sh', ReplyKind.BROKEN),
        (b"[1, 2]", ReplyKind.BROKEN),
        (b'"text"', ReplyKind.BROKEN),
        (b"null", ReplyKind.BROKEN),
        (b"Too many requests", ReplyKind.BROKEN),
        (b'{"a":' * 100_000, ReplyKind.BROKEN),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ReplyKind.BROKEN),
    ],
)
def test_a_body_that_is_no_object_has_a_kind_of_its_own(data: bytes, kind: ReplyKind) -> None:
    assert parse(data) == (kind, None)


@given(st.binary() | st.text().map(lambda text: f'{{"a": "{text}"}}'.encode("utf-8", "surrogatepass")))
def test_any_bytes_have_a_kind(data: bytes) -> None:
    kind, value = parse(data)
    assert (kind is ReplyKind.OBJECT) == isinstance(value, dict)


@given(
    st.binary(max_size=60) | st.text(alphabet='{}[]:,"\\\\udж😀 a', max_size=60).map(str.encode), st.integers(0, 9_000)
)
def test_a_body_that_surely_costs_no_more_costs_no_more(data: bytes, most: int) -> None:
    assert not costs_at_most(most, data) or cost(data) <= most
    assert costs_at_most(180 * len(data), data)  # so that no light body is looked at twice
