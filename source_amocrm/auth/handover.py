"""Hands changed settings over to whoever keeps them, so that the next sync starts from them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import orjson
from airbyte_cdk.config_observation import create_connector_config_control_message
from airbyte_cdk.models import AirbyteMessageSerializer

HandOver = Callable[[Mapping[str, Any]], None]
"""Hands the whole config over, and returns when it is kept. Raises AmocrmError when it could not be kept."""


@runtime_checkable
class Prover(Protocol):
    """A HandOver that can tell beforehand whether it will work."""

    def prove(self, config: Mapping[str, Any]) -> None:
        """Raises AmocrmError when a config like this one cannot be kept."""


def print_settings(config: Mapping[str, Any]) -> None:
    """Hands `config` over to the platform: prints it whole as a CONNECTOR_CONFIG message, at once and in one write.

    It does not go through the message queue: a token that amoCRM has rotated is lost unless the platform hears of it,
    also when the process dies before the first record.
    """
    message = AirbyteMessageSerializer.dump(create_connector_config_control_message(dict(config)))
    try:
        line = orjson.dumps(message).decode()
    except orjson.JSONEncodeError:
        line = json.dumps(message)  # halves of emoji and very long numbers, in whatever setting
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
