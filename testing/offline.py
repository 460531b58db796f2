"""Streams of an account that is not there: what they declare, and the rows that they make without asking."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from airbyte_cdk.models import AirbyteStream

from source_amocrm.source import open_account
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import AmocrmStream

CONFIG = {
    "account_domain": "example.amocrm.ru",
    "credentials": {"auth_type": "long_lived_token", "access_token": "nobody-s"},
}


def stream(name: str, **properties: Any) -> AmocrmStream:
    """The stream as it is without a connection, or configured with these columns."""
    return STREAMS[name](open_account(CONFIG), properties or None)


def airbyte_stream(name: str) -> AirbyteStream:
    """As `discover` shows it of an account whose custom fields are no columns; the caller's own copy."""
    return deepcopy(_airbyte_stream(name))


@cache
def _airbyte_stream(name: str) -> AirbyteStream:
    return stream(name).as_airbyte_stream()
