"""Whatever is typed into the form: a Config, or one ConfigError with a sentence and no secret."""

from __future__ import annotations

import io
import json
import logging
import tempfile
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from airbyte_cdk.models import AirbyteConnectionStatus, FailureType, Status
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from source_amocrm.config import Config, check_shape, parse_config
from source_amocrm.config_file import DEEPEST
from source_amocrm.entrypoint import launch
from source_amocrm.errors import ConfigError
from source_amocrm.source import SourceAmocrm
from testing.http_tools import INTEGRATION, NOW

SECRET = "Zq7WvK3xP9"

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs", "Cc", "Zs", "Nd"]), max_size=12),
    st.sampled_from([SECRET, f"Bearer {SECRET}", f" {SECRET}\n", f"{SECRET} {SECRET}", 10**400, "\ud800", "1" * 5000]),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)


def nearly(*right: Any) -> st.SearchStrategy[Any]:
    """Mostly what is right, often nearly so, sometimes anything."""
    texts = [text for text in right if isinstance(text, str)]
    bent = st.builds(
        lambda text, junk, at: text[: at % (len(text) + 1)] + junk + text[at % (len(text) + 1) :],
        st.sampled_from(texts or ["x"]),
        st.text(max_size=3),
        st.integers(0, 99),
    )
    return st.one_of(st.sampled_from(right), st.sampled_from(right), bent, anything)


credentials = st.fixed_dictionaries(
    {},
    optional={
        "auth_type": nearly("oauth2.0", "long_lived_token"),
        "access_token": nearly(SECRET, f"{SECRET}\t{SECRET}"),
        "client_id": nearly(INTEGRATION["client_id"]),
        "client_secret": nearly(SECRET),
        "redirect_uri": nearly("https://example.com/"),
        "refresh_token": nearly(SECRET),
        "token_expiry_date": nearly("2025-10-10T08:53:20Z", ""),
    },
)
configs = st.fixed_dictionaries(
    {"account_domain": nearly("example", "https://example.amocrm.ru/leads", SECRET)},
    optional={
        "credentials": credentials | anything,
        "api_base_url": nearly("http://127.0.0.1:8080", "https://example.com", ""),
        "start_date": nearly("2024-01-31", "2024-01-31T00:00:00+03:00"),
        "lookback_window": nearly("PT5M", "P1DT2H"),
        "deleted_rows": nearly("mark", "ignore"),
        "readable_columns": nearly(True, "false"),
        "raw_records": nearly(True, "false"),
        "requests_per_second": nearly(7, "7", 1.5),
        "num_workers": nearly(12, "12"),
    },
)


def outcome(raw: Any) -> Config | ConfigError:
    try:
        return parse_config(raw, now=NOW)
    except ConfigError as error:
        return error


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(raw=configs | anything)
def test_a_config_or_a_sentence(raw: Any) -> None:
    found = outcome(raw)
    if isinstance(found, ConfigError):
        sentence = str(found)
        assert found.failure_type is FailureType.config_error
        assert SECRET not in sentence
        assert sentence.endswith((".", "?"))
        assert "\n" not in sentence
        trace = found.as_airbyte_message().trace
        assert trace is not None
        assert trace.error is not None
        assert trace.error.stack_trace is None
    else:
        assert found.base_url.startswith(("https://", "http://"))
        assert 0 <= found.lookback <= 30 * 86400
        assert found.start is None or 0 <= found.start <= NOW
        for secret in found.secrets():
            assert secret.isascii()
            assert secret.isprintable()
            assert " " not in secret


names = st.sampled_from(
    [
        "",
        "*",
        "**",
        "/",
        "credentials",
        "access_token",
        "credentials/access_token",
        "_limit",
        "_page_size",
        "\0",
        "\ud800",
    ]
)
shapes = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def _parsed_only(_: SourceAmocrm, __: logging.Logger, config: dict[str, Any]) -> AirbyteConnectionStatus:
    found = outcome(config)
    message = str(found) if isinstance(found, ConfigError) else None
    return AirbyteConnectionStatus(status=Status.FAILED if message else Status.SUCCEEDED, message=message)


def checked(text: str) -> list[dict[str, Any]]:
    """What `check` prints for a config file that holds `text`; amoCRM itself is not asked."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(text, encoding="utf-8")
        with (
            patch("source_amocrm.entrypoint.PRINT_BUFFER", nullcontext()),
            patch.object(SourceAmocrm, "check", _parsed_only),
            redirect_stdout(out),
        ):
            launch(["check", "--config", str(path)])
    out.seek(0)
    return [json.loads(line) for line in out.read().split("\n") if line]


def said(messages: list[dict[str, Any]]) -> str:
    """The one sentence, `.` where there is nothing to mend; no stack trace is among the messages."""
    assert "Traceback" not in str(messages)
    told = [message["trace"]["error"] for message in messages if message["type"] == "TRACE"]
    assert [error["failure_type"] for error in told] == ["config_error"] * len(told)
    statuses = [message["connectionStatus"] for message in messages if message["type"] == "CONNECTION_STATUS"]
    sentences = [error["message"] for error in told] + [status.get("message") or "." for status in statuses]
    assert len(sentences) == 1
    return str(sentences[0])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(raw=configs | shapes | st.dictionaries(names, shapes, max_size=4))
@example(raw={"": 1})
@example(raw={"account_domain": "example", "credentials": {"": SECRET}})
def test_no_shape_of_a_config_file_is_a_stack_trace(raw: Any) -> None:
    assert said(checked(json.dumps(raw))).endswith((".", "?"))


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"": 1}', 'The settings hold an entry without a name ("").'),
        (
            '{"account_domain": "example", "credentials": [{"x": [[{"": 1}]]}]}',
            "The settings hold an entry without a name",
        ),
        (deep(DEEPEST - 1), "Account address (account_domain): fill it in"),
        (deep(DEEPEST), "The settings are nested more deeply than any setting is."),
        (deep(900), "The settings are nested more deeply than any setting is."),
    ],
)
def test_odd_shapes(text: str, sentence: str) -> None:
    assert said(checked(text)).startswith(sentence)


def test_much_beyond_what_is_known_is_let_through() -> None:
    check_shape({"a": [{"b": [1, "", None, {}]}], "*": {"/": 1.5}})
