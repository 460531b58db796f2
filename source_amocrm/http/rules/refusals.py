"""Refusals, 400 to 499: first those that amoCRM's own error numbers tell, then those that the status tells."""

from __future__ import annotations

from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction as Action

from source_amocrm.errors import (
    BadRequest,
    Blocked,
    FeatureOff,
    Forbidden,
    IpRefused,
    NotFound,
    Throttled,
    Unauthorized,
    Unavailable,
    Unpaid,
)
from source_amocrm.http.body import Kind
from source_amocrm.http.rules.rule import AGAIN, CONFIG, SYSTEM, TRANSIENT, Rule, Where

_TOKENS = (Where.REFRESH, Where.CODE)
_ACCOUNT = (Where.API, *_TOKENS)
_OFF = (
    "amoCRM says that {path} is switched off in the account{detail}, so there is nothing to read. Switch that part of "
    "amoCRM on, or leave its table out."
)
_UNPAID = (
    "amoCRM says that {path} at {host} is not paid for{detail}. Pay in «Настройки» → «Счета и оплата»; reading is "
    "possible again after that."
)
_NO_RIGHTS = (
    "The token's user may not read {path}{detail}. Let an administrator of the account grant access, or leave the "
    "table out."
)
_BAD_REQUEST = "amoCRM refused the request {path}{detail}. This is the connector's mistake: report it with this text."

BY_NUMBER: tuple[Rule, ...] = (
    Rule(
        "no such account",
        (400, 401, 403, 404),
        Action.REFRESH_TOKEN_THEN_RETRY,
        "There is no amoCRM account at {host}{detail}. Compare the account address (account_domain) with your "
        "browser's address bar: the account may have been renamed.",
        NotFound,
        CONFIG,
        codes=(101,),
        where=_ACCOUNT,
    ),
    Rule(
        "the user is switched off",
        (400, 401, 403),
        Action.FAIL,
        "The amoCRM user who granted access is switched off in {host}{detail}. Switch the user on again. If you "
        "cannot: {advice}",
        Unauthorized,
        CONFIG,
        codes=(112,),
        where=_ACCOUNT,
        stops=True,
    ),
    Rule(
        "the IP address is not on the account's list",
        (401, 403),
        Action.FAIL,
        "The account {host} lets in only listed IP addresses{detail}. Let its administrator add the address of the "
        "machine where this connector runs to «Белый список ip-адресов» in «Настройки».",
        IpRefused,
        CONFIG,
        codes=(113,),
        stops=True,
    ),
    Rule("a part of amoCRM is off", range(400, 500), Action.FAIL, _OFF, FeatureOff, CONFIG, codes=(425, 426)),
    Rule("not paid", range(400, 500), Action.FAIL, _UNPAID, Unpaid, CONFIG, codes=(402,)),
    Rule("no rights", range(400, 500), Action.FAIL, _NO_RIGHTS, Forbidden, CONFIG, codes=(288,)),
)

BY_STATUS: tuple[Rule, ...] = (
    Rule(
        "the token is not accepted",
        (401,),
        Action.REFRESH_TOKEN_THEN_RETRY,
        "amoCRM does not accept the token at {host}{detail}: it was not copied whole, has expired or was revoked, the "
        "integration was switched off, or the token is another account's. {advice}",
        Unauthorized,
        CONFIG,
    ),
    Rule(
        "not paid",
        (402,),
        Action.FAIL,
        _UNPAID,
        Unpaid,
        CONFIG,
    ),
    Rule(
        "blocked by the front server",
        (403,),
        Action.FAIL,
        "amoCRM blocks this connector: its front server refuses every request, as it does after too many of them. This "
        "does not pass by itself, so nothing more is sent. Write to amoCRM's support chat and give them the IP address "
        "of the machine where this connector runs, the subdomain {subdomain} and the account ID {account}. Afterwards "
        "lower the requests per second, or find the other integration that asks too often.",
        Blocked,
        CONFIG,
        kinds=(Kind.HTML, Kind.BROKEN, Kind.EMPTY),
        stops=True,
    ),
    Rule(
        "no rights",
        (403,),
        Action.FAIL,
        _NO_RIGHTS,
        Forbidden,
        CONFIG,
    ),
    Rule(
        "no such address",
        (404,),
        Action.FAIL,
        "amoCRM does not know {path} at {host}{detail}. If no table can be read, correct the account address "
        "(account_domain); if only some cannot, again and again, leave them out.",
        NotFound,
        CONFIG,
    ),
    Rule(
        "a request with a mistake",
        (422,),
        Action.FAIL,
        _BAD_REQUEST,
        BadRequest,
        SYSTEM,
        kinds=(Kind.OBJECT,),
        says=("validation",),
    ),
    Rule(
        "a part of amoCRM is off",
        (422, 425, 426),
        Action.FAIL,
        _OFF,
        FeatureOff,
        CONFIG,
        kinds=(Kind.OBJECT,),
    ),
    Rule(
        "the request came too slowly",
        (408,),
        Action.RETRY,
        "amoCRM did not receive the whole request {path} in time, again and again. " + AGAIN,
        Unavailable,
        TRANSIENT,
    ),
    Rule(
        "too many requests",
        (429,),
        Action.RATE_LIMITED,
        "amoCRM kept answering «too many requests» for {minutes} minutes, or asked to wait longer than that. All "
        "integrations of the account share its limit: lower the requests per second here, or sync at another time. "
        + AGAIN,
        Throttled,
        TRANSIENT,
    ),
    Rule(
        "a request that amoCRM does not understand",
        range(400, 500),
        Action.FAIL,
        _BAD_REQUEST,
        BadRequest,
        SYSTEM,
    ),
)
