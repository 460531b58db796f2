"""How a failure leaves the process."""

from __future__ import annotations

import copy
import json

import pytest
from airbyte_cdk.models import FailureType, StreamDescriptor
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_amocrm.errors import AmocrmError, Blocked, ConfigError, Unavailable, print_error
from source_amocrm.secrecy import add_to_secrets


def test_a_trace_has_the_sentence_and_no_stack() -> None:
    add_to_secrets("secret-token")
    error = Unavailable(
        "amoCRM is away: secret-token.",
        failure_type=FailureType.transient_error,
        status=502,
        internal_message="502 secret-token",
    )
    error.__cause__ = ValueError("secret-token")
    trace = error.as_airbyte_message(StreamDescriptor(name="deals")).trace
    assert trace is not None
    told = trace.error
    assert told is not None
    assert (told.message, told.internal_message, told.stack_trace) == ("amoCRM is away: ****.", "502 ****", None)
    assert told.failure_type is FailureType.transient_error
    assert told.stream_descriptor == StreamDescriptor(name="deals")


def test_what_is_printed_is_one_line_of_json_whatever_the_secrets_are(capsys: pytest.CaptureFixture[str]) -> None:
    add_to_secrets("secret-token")
    add_to_secrets("e")
    print_error(ConfigError("Fill it in."))
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out)["trace"]["error"] == {
        "message": "Fill it in.",
        "failure_type": "config_error",
    }


def test_a_settings_error_fails_the_check() -> None:
    status = ConfigError("Fill it in.").as_connection_status_message()
    assert status is not None
    assert status.connectionStatus is not None
    assert (status.connectionStatus.status.value, status.connectionStatus.message) == ("FAILED", "Fill it in.")
    assert Unavailable("Later.", failure_type=FailureType.transient_error).as_connection_status_message() is None


def test_errors_can_be_copied_for_each_thread() -> None:
    for error in (Blocked("Blocked.", status=403, internal_message="x"), ConfigError("Fill it in.")):
        twin = copy.copy(error)
        assert type(twin) is type(error)
        assert twin.__dict__ == error.__dict__
        assert str(twin) == str(error)


def test_errors_are_the_cdk_s_traced_exceptions() -> None:
    assert issubclass(AmocrmError, AirbyteTracedException)
    assert AmocrmError("x").failure_type is FailureType.system_error
