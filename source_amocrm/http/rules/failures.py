"""Failures of the server, and requests to which no whole answer came."""

from __future__ import annotations

from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction as Action

from source_amocrm.errors import (
    PageTooLarge,
    Unavailable,
)
from source_amocrm.http.body import Kind
from source_amocrm.http.rules.rule import AGAIN, CONFIG, SYSTEM, TOO_LARGE, TRANSIENT, Rule

OF_THE_SERVER: tuple[Rule, ...] = (
    Rule(
        "too much for the server",
        (504,),
        Action.RETRY,
        "amoCRM did not manage to answer {path} in time (504), again and again. " + AGAIN,
        Unavailable,
        TRANSIENT,
        doubtful=True,
        slow=True,
    ),
    Rule(
        "the server failed",
        range(500, 600),
        Action.RETRY,
        "amoCRM failed at {path}{detail}, again and again. " + AGAIN,
        Unavailable,
        TRANSIENT,
        doubtful=True,
    ),
    Rule(
        "an unknown answer",
        range(1000),
        Action.FAIL,
        "amoCRM answered {path} in a way this connector does not know{detail}. Report it with this text.",
        failure=SYSTEM,
        doubtful=True,
    ),
)

NO_ANSWER: tuple[Rule, ...] = (
    Rule("too large a head", None, Action.REDUCE_PAGE_SIZE, TOO_LARGE, PageTooLarge, SYSTEM, kinds=(Kind.TOO_LARGE,)),
    Rule(
        "the host name is not found",
        None,
        Action.RETRY,
        "The network does not know the address {host} (DNS). Correct the account address (account_domain), or let the "
        "machine where this connector runs reach the internet.",
        Unavailable,
        TRANSIENT,
        kinds=(Kind.DNS,),
    ),
    Rule(
        "no connection",
        None,
        Action.RETRY,
        "{host} does not accept connections. Let the machine where this connector runs reach it: a firewall or a proxy "
        "may stand in between. " + AGAIN,
        Unavailable,
        TRANSIENT,
        kinds=(Kind.REFUSED, Kind.CONNECT_TIMEOUT),
    ),
    Rule(
        "the certificate is not trusted",
        None,
        Action.FAIL,
        "The certificate of {host} is not trusted, so nothing was sent. If a proxy of your company stands in between, "
        "give its certificate to the connector (environment variable REQUESTS_CA_BUNDLE).",
        Unavailable,
        CONFIG,
        kinds=(Kind.CERTIFICATE,),
    ),
    Rule(
        "no encrypted connection",
        None,
        Action.RETRY,
        "No encrypted connection (TLS) to {host} could be established. A firewall or a proxy may stand in between. "
        + AGAIN,
        Unavailable,
        TRANSIENT,
        kinds=(Kind.TLS,),
    ),
    Rule(
        "no answer in time",
        None,
        Action.RETRY,
        "{host} did not finish its answer to {path} in time, again and again. " + AGAIN,
        Unavailable,
        TRANSIENT,
        kinds=(Kind.READ_TIMEOUT,),
        doubtful=True,
        slow=True,
    ),
    Rule(
        "the connection is lost",
        None,
        Action.RETRY,
        "The connection to {host} was lost at {path}, again and again. " + AGAIN,
        Unavailable,
        TRANSIENT,
        doubtful=True,
    ),
)
