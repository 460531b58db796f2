"""No piece of a secret is seen, however a server repeats it."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any
from urllib.parse import quote

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from source_amocrm.config import parse_config
from source_amocrm.errors import BadRequest, masked
from source_amocrm.http import open_api
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.secrecy import MASK, PIECE, add_to_secrets, hide_in_record, mask
from testing.http_server import Connection, serve
from testing.http_tools import jwt, long_lived

TOKEN = jwt(aud="0b0832f6-d123-4123-9123-e73f236833c0", jti="3f9a" * 16, account_id=7, scopes=["crm"])
SECRETS = st.text(st.characters(codec="ascii", exclude_characters="*"), min_size=PIECE, max_size=200)
ONE_AT_A_TIME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def pieces(text: str) -> set[str]:
    return {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}


@ONE_AT_A_TIME
@given(SECRETS, st.data(), st.text(), st.text(), st.booleans())
def test_no_piece_of_a_secret_is_left(secret: str, data: st.DataObject, before: str, after: str, coded: bool) -> None:
    add_to_secrets(secret)
    start = data.draw(st.integers(0, len(secret) - PIECE))
    end = data.draw(st.integers(start + PIECE, len(secret)))
    shown = quote(secret[start:end], safe="") if coded else secret[start:end]
    told = mask(f"{before}{shown}{after}")
    assert MASK in told
    assert not pieces(told) & (pieces(secret) | pieces(quote(secret, safe="")))


@ONE_AT_A_TIME
@given(st.text(st.characters(codec="utf-8", exclude_characters="0123456789")))
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    add_to_secrets("01234567890123456789")
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TOKEN, MASK),
        (f"Bearer {TOKEN}, {TOKEN[5:]} and {TOKEN[:-7]}.", f"Bearer {MASK}, {MASK} and {MASK}."),
        *((f"a {part} b", f"a {MASK} b") for part in TOKEN.split(".") if len(part) >= PIECE),
        (f"x{TOKEN[40 : 40 + PIECE]}y", f"x{MASK}y"),
        (TOKEN[40 : 40 + PIECE - 1], TOKEN[40 : 40 + PIECE - 1]),
        ("client/secret+of=ours client%2Fsecret%2Bof%3Dours", f"{MASK} {MASK}"),
        ("key short", f"key {MASK}"),
    ],
)
def test_pieces(text: str, told: str) -> None:
    for secret in (TOKEN, "client/secret+of=ours", "short"):
        add_to_secrets(secret)
    assert mask(text) == told


def test_a_server_that_repeats_the_token_everywhere() -> None:
    body = {"title": f"No {TOKEN[3:]}", "detail": f"{TOKEN[:60]}…", "trace_id": TOKEN[10:80]}

    def answer(conn: Connection, _: str) -> bool:
        return conn.json(json.dumps(body).encode(), "400 Bad Request", f"X-Request-Id: {TOKEN[20:90]}")

    with serve(answer) as server:
        raw: dict[str, Any] = long_lived(TOKEN, api_base_url=server.url)
        with pytest.raises(BadRequest) as caught:
            open_api(parse_config(raw), raw, RetryPolicy()).get("/api/v4/leads")
    assert str(caught.value) == (
        "amoCRM refused the request /api/v4/leads (****…, No ****). This is the connector's mistake: report it with "
        "this text. [X-Request-Id ****, trace_id ****]"
    )
    assert not pieces(str(caught.value.as_airbyte_message())) & pieces(TOKEN)


def test_an_error_that_nobody_foresaw() -> None:
    add_to_secrets(TOKEN)
    try:
        raise KeyError(TOKEN[3:])
    except KeyError as error:
        traced = AirbyteTracedException.from_exception(error, message=f"It was {TOKEN[9:]}.")
    told = masked(traced.as_airbyte_message())
    assert told.trace is not None
    assert told.trace.error is not None
    assert (told.trace.error.message, told.trace.error.failure_type) == (f"It was {MASK}.", FailureType.system_error)
    assert "KeyError: '****'" in str(told.trace.error.stack_trace)
    assert not pieces(str(told)) & pieces(TOKEN)


def test_what_is_logged() -> None:
    add_to_secrets(TOKEN)
    try:
        raise ValueError(TOKEN[3:])
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "b", 1, "Failed: %s", (TOKEN[7:],), sys.exc_info())
    assert hide_in_record(record)
    told = logging.Formatter().format(record)
    assert told.startswith(f"Failed: {MASK}\nTraceback ")
    assert told.endswith(f"ValueError: {MASK}")
