"""What amoCRM may answer, what we do about it and what we say: one table, the first line that fits wins."""

from __future__ import annotations

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction as Action

from source_amocrm.errors import (
    BadRequest,
    Blocked,
    CodeExpired,
    CodeUsed,
    FeatureOff,
    Forbidden,
    IpRefused,
    Moved,
    NotFound,
    NotGranted,
    NotIssued,
    OtherRedirectUri,
    PageTooLarge,
    Throttled,
    Unauthorized,
    Unavailable,
    UnknownIntegration,
    Unpaid,
)
from source_amocrm.http.body import LARGEST, Kind
from source_amocrm.http.rule import Rule, Where

_CONFIG = FailureType.config_error
_TRANSIENT = FailureType.transient_error
_SYSTEM = FailureType.system_error

_SUCCESS = range(200, 300)
_REFUSED = (400, 401)
_TOKENS = (Where.REFRESH, Where.CODE)
_ACCOUNT = (Where.API, *_TOKENS)
_DRIVE = (Where.DRIVE,)
_AGAIN = "Try again later; what a sync has read is kept."
_KEYS = "the tab «Ключи и доступы» of the integration"
_NEW_CODE = f"Take a new one («Код авторизации») from {_KEYS}, or press «Grant access» again."
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
_NOT_GRANTED = (
    "amoCRM's host of files, {host}, does not let the token in{detail}. Where files are wanted, tick «Доступ к файлам» "
    "in the integration, and then grant access again or create a new token; else leave the table out."
)
_BAD_REQUEST = "amoCRM refused the request {path}{detail}. This is the connector's mistake: report it with this text."
_TOO_LARGE = (
    f"amoCRM's answer to {{path}} is too large: more than {LARGEST >> 20} MB, or more than fits into the memory that is"
    " allowed for one. Smaller pages were tried where the list has pages. Run the sync again later; if it "
    "repeats, report it to amoCRM support with the address of the list."
)

TABLE: tuple[Rule, ...] = (
    # The host of files. What it refuses is its own affair: nothing here stops others, or is worth a new token before
    # the account itself has refused the old one
    Rule(
        "the drive does not take the token",
        (401,),
        Action.REFRESH_TOKEN_THEN_RETRY,
        _NOT_GRANTED,
        NotGranted,
        _CONFIG,
        where=_DRIVE,
    ),
    Rule("the drive lets nobody in", (403,), Action.FAIL, _NOT_GRANTED, NotGranted, _CONFIG, where=_DRIVE),
    Rule(
        "no drive",
        (404,),
        Action.FAIL,
        "amoCRM's host of files, {host}, does not know {path}{detail}. Run the sync again later; if it "
        "repeats, leave the table out.",
        NotFound,
        _CONFIG,
        where=_DRIVE,
    ),
    Rule(
        "the drive leads elsewhere",
        range(300, 400),
        Action.FAIL,
        "amoCRM's host of files, {host}, leads elsewhere{detail}, where the token is not sent. Run the sync again; if "
        "it repeats, leave the table out and report it with this text.",
        Moved,
        _SYSTEM,
        where=_DRIVE,
    ),
    Rule(
        "the drive's host name is not found",
        None,
        Action.RETRY,
        "The network does not know amoCRM's host of files, {host} (DNS). Let the machine where this connector runs "
        "reach it, or leave the table out.",
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.DNS,),
        where=_DRIVE,
    ),
    # Answers
    Rule("an answer", range(200, 203), Action.SUCCESS, kinds=(Kind.OBJECT,)),
    Rule("nothing found", (204,), Action.SUCCESS),
    Rule(
        "too large an answer",
        _SUCCESS,
        Action.REDUCE_PAGE_SIZE,
        _TOO_LARGE,
        PageTooLarge,
        _SYSTEM,
        kinds=(Kind.TOO_LARGE,),
    ),
    Rule(
        "a web page instead of data",
        _SUCCESS,
        Action.RETRY,
        "amoCRM answered {path} with a web page instead of data, again and again; usually it is under maintenance. "
        + _AGAIN,
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.HTML,),
        doubtful=True,
    ),
    Rule(
        "an empty or broken body",
        _SUCCESS,
        Action.RETRY,
        "amoCRM answered {path} with an empty or broken body, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        doubtful=True,
    ),
    Rule(
        "the address leads elsewhere",
        range(300, 400),
        Action.FAIL,
        "The address {host} leads elsewhere{detail}: the account may have been renamed or moved. Put the address that "
        "your browser shows when amoCRM is open into the account address (account_domain).",
        Moved,
        _CONFIG,
    ),
    # The token endpoint
    Rule(
        "the refresh token is spent",
        _REFUSED,
        Action.FAIL,
        "amoCRM no longer accepts the refresh token{detail}: it works once and for three months, and it is lost when "
        "something else uses it or the integration is switched off. {advice}",
        Unauthorized,
        _CONFIG,
        says=("revoked", "expired"),
        where=(Where.REFRESH,),
    ),
    Rule(
        "the code is used",
        _REFUSED,
        Action.FAIL,
        "amoCRM has exchanged the authorization code already{detail}: it works once. " + _NEW_CODE,
        CodeUsed,
        _CONFIG,
        says=("revoked",),
        where=(Where.CODE,),
    ),
    Rule(
        "the code has expired",
        _REFUSED,
        Action.FAIL,
        "The authorization code has expired{detail}: it works for 20 minutes. " + _NEW_CODE,
        CodeExpired,
        _CONFIG,
        says=("expired",),
        where=(Where.CODE,),
    ),
    Rule(
        "not this integration's",
        _REFUSED,
        Action.FAIL,
        "What was to be exchanged for a token was not given to this integration, or was not copied whole{detail}. "
        "Copy it again together with the integration ID (client_id) and the secret key (client_secret): all of them "
        "are on " + _KEYS + ".",
        NotIssued,
        _CONFIG,
        says=("cannot decrypt", "not linked to client", "not issued to this client"),
        where=_TOKENS,
    ),
    Rule(
        "an unknown integration",
        _REFUSED,
        Action.FAIL,
        "amoCRM does not recognise the integration{detail}. Compare the integration ID (client_id), the secret key "
        "(client_secret) and the redirect URI with the integration's settings, letter for letter; a new secret key "
        "makes the old one useless.",
        UnknownIntegration,
        _CONFIG,
        says=("авторизация клиента", "некорректный клиент", "invalid_client", "client authentication"),
        where=_TOKENS,
    ),
    Rule(
        "another redirect URI",
        _REFUSED,
        Action.FAIL,
        "amoCRM gave no token because of the redirect URI{detail}. It must be, letter for letter, the one in the "
        "integration's settings.",
        OtherRedirectUri,
        _CONFIG,
        says=("redirect",),
        where=_TOKENS,
    ),
    Rule(
        "a refused exchange",
        _REFUSED,
        Action.FAIL,
        "amoCRM gave no new token{detail}. Compare the account address, the integration ID, the secret key and the "
        "redirect URI with the integration's settings. If they are right: {advice}",
        Unauthorized,
        _CONFIG,
        where=_TOKENS,
    ),
    # Refusals by amoCRM's own numbers
    Rule(
        "no such account",
        (400, 401, 403, 404),
        Action.REFRESH_TOKEN_THEN_RETRY,
        "There is no amoCRM account at {host}{detail}. Compare the account address (account_domain) with your "
        "browser's address bar: the account may have been renamed.",
        NotFound,
        _CONFIG,
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
        _CONFIG,
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
        _CONFIG,
        codes=(113,),
        stops=True,
    ),
    Rule("a part of amoCRM is off", range(400, 500), Action.FAIL, _OFF, FeatureOff, _CONFIG, codes=(425, 426)),
    Rule("not paid", range(400, 500), Action.FAIL, _UNPAID, Unpaid, _CONFIG, codes=(402,)),
    Rule("no rights", range(400, 500), Action.FAIL, _NO_RIGHTS, Forbidden, _CONFIG, codes=(288,)),
    # Refusals by status
    Rule(
        "the token is not accepted",
        (401,),
        Action.REFRESH_TOKEN_THEN_RETRY,
        "amoCRM does not accept the token at {host}{detail}: it was not copied whole, has expired or was revoked, the "
        "integration was switched off, or the token is another account's. {advice}",
        Unauthorized,
        _CONFIG,
    ),
    Rule(
        "not paid",
        (402,),
        Action.FAIL,
        _UNPAID,
        Unpaid,
        _CONFIG,
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
        _CONFIG,
        kinds=(Kind.HTML, Kind.BROKEN, Kind.EMPTY),
        stops=True,
    ),
    Rule(
        "no rights",
        (403,),
        Action.FAIL,
        _NO_RIGHTS,
        Forbidden,
        _CONFIG,
    ),
    Rule(
        "no such address",
        (404,),
        Action.FAIL,
        "amoCRM does not know {path} at {host}{detail}. If no table can be read, correct the account address "
        "(account_domain); if only some cannot, again and again, leave them out.",
        NotFound,
        _CONFIG,
    ),
    Rule(
        "a request with a mistake",
        (422,),
        Action.FAIL,
        _BAD_REQUEST,
        BadRequest,
        _SYSTEM,
        kinds=(Kind.OBJECT,),
        says=("validation",),
    ),
    Rule(
        "a part of amoCRM is off",
        (422, 425, 426),
        Action.FAIL,
        _OFF,
        FeatureOff,
        _CONFIG,
        kinds=(Kind.OBJECT,),
    ),
    Rule(
        "the request came too slowly",
        (408,),
        Action.RETRY,
        "amoCRM did not receive the whole request {path} in time, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
    ),
    Rule(
        "too many requests",
        (429,),
        Action.RATE_LIMITED,
        "amoCRM kept answering «too many requests» for {minutes} minutes, or asked to wait longer than that. All "
        "integrations of the account share its limit: lower the requests per second here, or sync at another time. "
        + _AGAIN,
        Throttled,
        _TRANSIENT,
    ),
    Rule(
        "a request that amoCRM does not understand",
        range(400, 500),
        Action.FAIL,
        _BAD_REQUEST,
        BadRequest,
        _SYSTEM,
    ),
    # Failures of the server
    Rule(
        "too much for the server",
        (504,),
        Action.RETRY,
        "amoCRM did not manage to answer {path} in time (504), again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        doubtful=True,
        slow=True,
    ),
    Rule(
        "the server failed",
        range(500, 600),
        Action.RETRY,
        "amoCRM failed at {path}{detail}, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        doubtful=True,
    ),
    Rule(
        "an unknown answer",
        range(1000),
        Action.FAIL,
        "amoCRM answered {path} in a way this connector does not know{detail}. Report it with this text.",
        failure=_SYSTEM,
        doubtful=True,
    ),
    # No answer
    Rule("too large a head", None, Action.REDUCE_PAGE_SIZE, _TOO_LARGE, PageTooLarge, _SYSTEM, kinds=(Kind.TOO_LARGE,)),
    Rule(
        "the host name is not found",
        None,
        Action.RETRY,
        "The network does not know the address {host} (DNS). Correct the account address (account_domain), or let the "
        "machine where this connector runs reach the internet.",
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.DNS,),
    ),
    Rule(
        "no connection",
        None,
        Action.RETRY,
        "{host} does not accept connections. Let the machine where this connector runs reach it: a firewall or a proxy "
        "may stand in between. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.REFUSED, Kind.CONNECT_TIMEOUT),
    ),
    Rule(
        "the certificate is not trusted",
        None,
        Action.FAIL,
        "The certificate of {host} is not trusted, so nothing was sent. If a proxy of your company stands in between, "
        "give its certificate to the connector (environment variable REQUESTS_CA_BUNDLE).",
        Unavailable,
        _CONFIG,
        kinds=(Kind.CERTIFICATE,),
    ),
    Rule(
        "no encrypted connection",
        None,
        Action.RETRY,
        "No encrypted connection (TLS) to {host} could be established. A firewall or a proxy may stand in between. "
        + _AGAIN,
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.TLS,),
    ),
    Rule(
        "no answer in time",
        None,
        Action.RETRY,
        "{host} did not finish its answer to {path} in time, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        kinds=(Kind.READ_TIMEOUT,),
        doubtful=True,
        slow=True,
    ),
    Rule(
        "the connection is lost",
        None,
        Action.RETRY,
        "The connection to {host} was lost at {path}, again and again. " + _AGAIN,
        Unavailable,
        _TRANSIENT,
        doubtful=True,
    ),
)
