"""Reports a pause after a 429: a line in the log, and for Airbyte a status of each stream that says until when."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timezone

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStreamStatus,
    AirbyteStreamStatusReason,
    AirbyteStreamStatusReasonType,
    StreamDescriptor,
)
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from airbyte_protocol_dataclasses.models import AirbyteStreamStatusRateLimitedReason  # type: ignore[import-untyped]

_LOGGER = logging.getLogger("airbyte")


def log_pause(seconds: float) -> None:
    until = datetime.fromtimestamp(time.time() + seconds, timezone.utc)
    _LOGGER.warning(
        "amoCRM answers «too many requests» (429): nothing is asked for %s s, until %s UTC, and then more slowly "
        "for a while. All integrations of the account share its limit.",
        f"{seconds:,.0f}",
        f"{until:%H:%M:%S}",
    )


def waiting(names: Iterable[str], seconds: float) -> list[AirbyteMessage]:
    """The status of streams that wait for so long: they run, and are limited.

    The CDK's client would print it past the queue of messages, under its own name, and without the time.
    """
    reset = AirbyteStreamStatusRateLimitedReason(quota_reset=int((time.time() + seconds) * 1000))
    reason = AirbyteStreamStatusReason(type=AirbyteStreamStatusReasonType.RATE_LIMITED, rate_limited=reset)
    return [as_airbyte_message(StreamDescriptor(name=name), AirbyteStreamStatus.RUNNING, [reason]) for name in names]
