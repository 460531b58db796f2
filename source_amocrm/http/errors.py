"""What amoCRM may answer, what we do about it and what we say: one table, first match wins.

Templates may use {host} {subdomain} {account} {path} {detail} {advice} {minutes}.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from airbyte_cdk.models import FailureType

from source_amocrm.errors import (
    AmocrmError,
    BadRequest,
    Blocked,
    ConfigError,
    FeatureOff,
    Forbidden,
    IpRefused,
    Moved,
    NotFound,
    Throttled,
    TooFat,
    Unauthorized,
    Unavailable,
    Unpaid,
)
from source_amocrm.http.body import Kind

__all__ = [
    "TABLE",
    "Action",
    "AmocrmError",
    "BadRequest",
    "Blocked",
    "ConfigError",
    "FeatureOff",
    "Forbidden",
    "IpRefused",
    "Moved",
    "NotFound",
    "Row",
    "Throttled",
    "TooFat",
    "Unauthorized",
    "Unavailable",
    "Unpaid",
]


class Action(Enum):
    OK = auto()
    EMPTY = auto()  # nothing found, and that is an answer
    RETRY = auto()  # will pass: again with back-off
    PAUSE = auto()  # everyone waits, then again
    RENEW = auto()  # another token may help, once
    FAIL = auto()  # this request fails
    STOP = auto()  # every request fails from now on


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. None and () match anything."""

    meaning: str
    status: range | None  # None: the exchange failed before there was a status
    action: Action
    message: str = ""
    error: type[AmocrmError] = AmocrmError
    failure: FailureType = FailureType.system_error
    kinds: tuple[Kind, ...] = ()
    codes: tuple[int, ...] = ()  # amoCRM's own error numbers
    says: tuple[str, ...] = ()  # any of these in the body's words, lower case
    token_endpoint: bool | None = None  # True: only there; False: only at the API
    doubtful: bool = False  # at the token endpoint: the refresh token may have been spent all the same


_CONFIG = FailureType.config_error
_TRANSIENT = FailureType.transient_error
_SYSTEM = FailureType.system_error


def _is(low: int, high: int | None = None) -> range:
    return range(low, (high or low) + 1)


_WEB = (Kind.HTML, Kind.BROKEN, Kind.EMPTY)
_AGAIN = "Run the sync again; what has been read is kept."

TABLE: tuple[Row, ...] = (
    Row("an answer", _is(200, 202), Action.OK, kinds=(Kind.OBJECT,)),
    Row("nothing found", _is(204), Action.EMPTY),
    Row(
        "a web page instead of data",
        _is(200, 299),
        Action.RETRY,
        "amoCRM answered with a web page instead of data at {path}, again and again; usually it is under maintenance. "
        + _AGAIN,
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.HTML,),
        doubtful=True,
    ),
    Row(
        "a broken or empty body",
        _is(200, 299),
        Action.RETRY,
        "amoCRM answered {path} with an empty or broken body, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        doubtful=True,
    ),
    Row(
        "the address leads elsewhere",
        _is(300, 399),
        Action.FAIL,
        "The address {host} leads elsewhere{detail}: the account may have been renamed or moved. Put the address that "
        "your browser shows when amoCRM is open into the account address (account_domain).",
        Moved,
        _CONFIG,
    ),
    Row(
        "the refresh token is spent",
        _is(400, 401),
        Action.FAIL,
        "amoCRM no longer accepts the refresh token{detail}: it works once and for three months, and access is lost "
        "when it is used elsewhere or the integration is switched off. {advice}",
        Unauthorized,
        _CONFIG,
        says=("revoked", "expired", "refresh token", "отозван", "истек"),
        token_endpoint=True,
    ),
    Row(
        "wrong integration",
        _is(400, 401),
        Action.FAIL,
        "amoCRM does not recognise the integration{detail}. Compare the integration ID (client_id) and the secret key "
        "(client_secret) with the tab «Ключи и доступы» of the integration; a new key there makes the old one useless.",
        Unauthorized,
        _CONFIG,
        says=("авторизация клиента", "некорректный клиент", "invalid_client", "client authentication"),
        token_endpoint=True,
    ),
    Row(
        "wrong redirect URI",
        _is(400, 401),
        Action.FAIL,
        "amoCRM refused to exchange the refresh token because of the redirect URI{detail}. It must be, letter for "
        "letter, the one in the integration's settings.",
        Unauthorized,
        _CONFIG,
        says=("redirect",),
        token_endpoint=True,
    ),
    Row(
        "a refused exchange",
        _is(400, 401),
        Action.FAIL,
        "amoCRM refused to exchange the refresh token{detail}. Compare the account address, integration ID, secret key "
        "and redirect URI with the integration's settings. If they are right: {advice}",
        Unauthorized,
        _CONFIG,
        token_endpoint=True,
    ),
    Row(
        "the user is switched off",
        _is(400, 403),
        Action.FAIL,
        "The amoCRM user who granted access is switched off in {host}{detail}. Switch the user on again, or: {advice}",
        Unauthorized,
        _CONFIG,
        codes=(112,),
    ),
    Row(
        "no such account",
        _is(400, 404),
        Action.RENEW,
        "There is no amoCRM account at {host}{detail}. Check the account address (account_domain) against your "
        "browser's address bar: the account may have been renamed.",
        NotFound,
        _CONFIG,
        codes=(101,),
    ),
    Row(
        "the IP address is not on the account's list",
        _is(401, 403),
        Action.STOP,
        "The account {host} lets in only listed IP addresses{detail}. Ask its administrator to add the address of the "
        "machine where this connector runs in «Настройки» → «Безопасность».",
        IpRefused,
        _CONFIG,
        codes=(113,),
    ),
    Row(
        "the token is not accepted",
        _is(401),
        Action.RENEW,
        "amoCRM does not accept the token for {host}{detail}: it has expired or was revoked, the integration was "
        "switched off, or the token belongs to another account. {advice}",
        Unauthorized,
        _CONFIG,
    ),
    Row(
        "not paid",
        _is(402),
        Action.FAIL,
        "amoCRM says that {host} is not paid for{detail}. Pay for it in «Настройки» → «Счета и оплата»; reading is "
        "possible again after that.",
        Unpaid,
        _CONFIG,
    ),
    Row(
        "blocked by the front server",
        _is(403),
        Action.STOP,
        "amoCRM has blocked this connector: it refuses all requests, which happens after too many of them. It does not "
        "pass by itself, so nothing more is sent. Write to amoCRM's support chat and give them: the IP address of the "
        "machine where this connector runs, the subdomain {subdomain}, the account ID {account}. Then lower the "
        "requests per second or ask which other integration is noisy.",
        Blocked,
        _CONFIG,
        kinds=_WEB,
    ),
    Row(
        "a part of amoCRM is off",
        _is(400, 499),
        Action.FAIL,
        "amoCRM says that {path} is switched off in this account{detail}, so there is nothing to read. Switch it on in "
        "amoCRM, or leave out the table.",
        FeatureOff,
        _CONFIG,
        codes=(425, 426),
    ),
    Row(
        "no rights",
        _is(403),
        Action.FAIL,
        "The token's user may not read {path}{detail}. Let an administrator of the account grant access, or leave out "
        "the table.",
        Forbidden,
        _CONFIG,
    ),
    Row(
        "no such address",
        _is(404),
        Action.FAIL,
        "amoCRM does not know {path} at {host}{detail}. If no table can be read, check the account address "
        "(account_domain).",
        NotFound,
        _CONFIG,
    ),
    Row(
        "a part of amoCRM is off",
        _is(422),
        Action.FAIL,
        "amoCRM says that {path} is switched off in this account{detail}, so there is nothing to read. Switch it on in "
        "amoCRM, or leave out the table.",
        FeatureOff,
        _CONFIG,
    ),
    Row(
        "a part of amoCRM is off",
        _is(425, 426),
        Action.FAIL,
        "amoCRM says that {path} is switched off in this account{detail}, so there is nothing to read. Switch it on in "
        "amoCRM, or leave out the table.",
        FeatureOff,
        _CONFIG,
        kinds=(Kind.OBJECT,),
    ),
    Row(
        "the server gave up waiting",
        _is(408),
        Action.RETRY,
        "amoCRM did not take the request {path} in time, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
    ),
    Row(
        "too many requests",
        _is(429),
        Action.PAUSE,
        "amoCRM kept answering «too many requests» for {minutes} minutes. Other integrations of the account share its "
        "limit: lower the requests per second here or run the sync at another time. " + _AGAIN,
        Throttled,
        _TRANSIENT,
    ),
    Row(
        "a request that amoCRM does not understand",
        _is(400, 499),
        Action.FAIL,
        "amoCRM refused the request {path}{detail}. This is an error of the connector: report it with this text.",
        BadRequest,
        _SYSTEM,
    ),
    Row(
        "too long for the server",
        _is(504),
        Action.RETRY,
        "amoCRM did not manage to answer {path} in time (504), again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        doubtful=True,
    ),
    Row(
        "the server failed",
        _is(500, 599),
        Action.RETRY,
        "amoCRM had an internal failure at {path}{detail}, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        doubtful=True,
    ),
    Row(
        "an unknown answer",
        _is(100, 999),
        Action.FAIL,
        "amoCRM answered {path} in a way this connector does not know{detail}. Report it with this text.",
        AmocrmError,
        _SYSTEM,
        doubtful=True,
    ),
    Row(
        "the host name is not found",
        None,
        Action.RETRY,
        "The address {host} was not found in the network (DNS). Check the account address (account_domain) and whether "
        "the machine where this connector runs has internet access.",
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.DNS,),
    ),
    Row(
        "the connection is refused",
        None,
        Action.RETRY,
        "{host} does not accept connections. Check that the machine where this connector runs may reach it: a firewall "
        "or a proxy may stand in between. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.REFUSED, Kind.CONNECT_TIMEOUT),
    ),
    Row(
        "the certificate is not trusted",
        None,
        Action.FAIL,
        "The certificate of {host} is not trusted, so nothing was sent. A proxy of your company may stand in between: "
        "give its certificate to the connector (REQUESTS_CA_BUNDLE).",
        Unavailable,
        _CONFIG,
        kinds=(Kind.CERTIFICATE,),
    ),
    Row(
        "the encrypted connection fails",
        None,
        Action.RETRY,
        "No encrypted connection (TLS) to {host} could be made, again and again. A proxy or a firewall may stand in "
        "between. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.TLS,),
    ),
    Row(
        "no answer in time",
        None,
        Action.RETRY,
        "{host} did not finish its answer to {path} in time, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.READ_TIMEOUT,),
        doubtful=True,
    ),
    Row(
        "the connection is lost",
        None,
        Action.RETRY,
        "The connection to {host} was lost at {path}, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.RESET, Kind.TRUNCATED, Kind.BROKEN),
        doubtful=True,
    ),
)
