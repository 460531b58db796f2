"""Everything about HTTP put together."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from source_amocrm.auth.authenticator import make_authenticator
from source_amocrm.config.settings import Config
from source_amocrm.http.api import Api
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.connections import new_session
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.tokens import HttpTokenEndpoint
from source_amocrm.http.transport import Transport

_PATIENT = RetryPolicy()


def open_api(config: Config, raw: MutableMapping[str, Any], retry: RetryPolicy = _PATIENT) -> Api:
    """The one Api of the process: one budget and one pool of connections for the API and the token endpoint.

    `raw` is the mapping that the platform passed in. Raises ConfigError when the token does not fit the account.
    """
    session = new_session(config.num_workers)
    budget = Budget(config.requests_per_second)
    endpoint = HttpTokenEndpoint(Transport(session, budget, retry), budget, retry)
    return Api(config, make_authenticator(config, raw, endpoint), budget, retry=retry, session=session)
