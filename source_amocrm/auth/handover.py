"""Hand changed settings to the platform, so that the next sync starts from them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from airbyte_cdk.config_observation import create_connector_config_control_message
from airbyte_cdk.models import AirbyteMessageSerializer


def printed(config: Mapping[str, Any]) -> None:
    """Print `config` whole as a CONNECTOR_CONFIG message, at once and in one write.

    Not through the message queue: a token that amoCRM has rotated is lost unless the platform hears of it, also
    when the process dies before the first record.
    """
    message = AirbyteMessageSerializer.dump(create_connector_config_control_message(dict(config)))
    try:
        line = orjson.dumps(message).decode()
    except orjson.JSONEncodeError:
        line = json.dumps(message)  # halves of emoji and very long numbers, in whatever setting
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


keeper: Callable[[Mapping[str, Any]], None] = printed
"""Who keeps changed settings: the platform, which reads what is printed, unless the command has nobody to read it."""


def hand_over(config: Mapping[str, Any]) -> None:
    """Returns when the whole `config` is with its keeper."""
    keeper(config)
