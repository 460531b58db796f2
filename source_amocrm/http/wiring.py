"""Puts the parts of http/ together."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from typing import Any

from source_amocrm.auth.authenticator import make_authenticator
from source_amocrm.auth.handover import HandOver, print_settings
from source_amocrm.config.settings import Config
from source_amocrm.http.api import Api, Observer
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.client import AmocrmClient
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.session import AmocrmSession
from source_amocrm.http.token_endpoint import HttpTokenEndpoint

_PATIENT = RetryPolicy()


def open_api(
    config: Config,
    raw: MutableMapping[str, Any],
    policy: RetryPolicy = _PATIENT,
    *,
    hand_over: HandOver = print_settings,
    observe: Observer = lambda *_: None,
) -> Api:
    """The one Api of the process: one budget and one pool of connections for the API and the token endpoint.

    `raw` is the mapping that the platform passed in; `hand_over` gets it whole when amoCRM has changed something in it.
    Raises ConfigError when the token does not fit the account.
    """
    session = AmocrmSession(Budget(config.requests_per_second), policy, config.num_workers)
    return api_over(session, config, raw, policy, hand_over=hand_over, observe=observe)


def api_over(
    session: AmocrmSession,
    config: Config,
    raw: MutableMapping[str, Any],
    policy: RetryPolicy,
    *,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    hand_over: HandOver = print_settings,
    observe: Observer = lambda *_: None,
) -> Api:
    """As `open_api`, over a session and with clocks that are given."""
    endpoint = HttpTokenEndpoint(session, policy, clock=clock, sleep=sleep)
    sign_in = make_authenticator(config, raw, endpoint, wall, hand_over)
    return Api(AmocrmClient(session, sign_in, policy, clock=clock, sleep=sleep), wall, observe)
