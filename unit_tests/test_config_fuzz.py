"""Whatever is typed into the form: a Config, or one ConfigError with a sentence and no secret."""

from __future__ import annotations

from typing import Any

from airbyte_cdk.models import FailureType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from source_amocrm.config.settings import Config, parse_config
from source_amocrm.errors import ConfigError
from unit_tests.http_tools import INTEGRATION, NOW

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
        assert sentence.endswith(".")
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
