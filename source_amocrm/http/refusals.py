"""Rules for the answers of amoCRM: meaning, consequence, and the sentence for the user. The first match wins."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import partial

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction

from source_amocrm import errors
from source_amocrm.errors import AmocrmError
from source_amocrm.http.reply import LARGEST_BODY, ReplyKind

_CONFIG = FailureType.config_error
_TRANSIENT = FailureType.transient_error
_SYSTEM = FailureType.system_error


@dataclass(frozen=True, slots=True)
class Rule:
    """Some answers, and what follows them. Empty `kinds`, `codes`, `says` and `holds` match any answer.

    Actions that do more than their name says: RATE_LIMITED pauses all requests; REFRESH_TOKEN_THEN_RETRY tries another
    token or the account's new address; REDUCE_PAGE_SIZE means that a smaller page may be answered.
    """

    meaning: str
    status: Container[int | None]  # None: the exchange failed before a whole answer came
    error: type[AmocrmError] = AmocrmError
    kinds: tuple[ReplyKind, ...] = ()
    codes: tuple[int, ...] = ()  # amoCRM's own error numbers
    says: tuple[str, ...] = ()  # any of these among the body's words, lower case
    holds: tuple[str, ...] = ()  # the body has all of these members, each a text that is not empty
    action: ResponseAction = ResponseAction.SUCCESS
    failure: FailureType = _SYSTEM
    doubtful: bool = False  # the request may have had its effect all the same: a refresh token may be spent
    stops: bool = False  # every request fails from now on; of a name that is not found, if the host never answered
    slow: bool = False  # a smaller page may be answered in time
    message: str = ""  # with {host} {subdomain} {account} {path} {detail} {advice} {minutes}


Rules = tuple[Rule, ...]

_fails = partial(Rule, action=ResponseAction.FAIL, failure=_CONFIG)
_stops = partial(_fails, stops=True)
_renews = partial(Rule, action=ResponseAction.REFRESH_TOKEN_THEN_RETRY, failure=_CONFIG)
_retries = partial(Rule, error=errors.Unavailable, action=ResponseAction.RETRY, failure=_TRANSIENT)
_retries_in_doubt = partial(_retries, doubtful=True)
_retries_smaller = partial(_retries_in_doubt, slow=True)
_misunderstood = partial(_fails, error=errors.BadRequest, failure=_SYSTEM)
_shrinks = partial(Rule, error=errors.PageTooLarge, action=ResponseAction.REDUCE_PAGE_SIZE)

_AGAIN = "Try again later; what a sync has read is kept."
_TOO_LARGE = (
    f"amoCRM's answer to {{path}} is too large: more than {LARGEST_BODY >> 20} MB, or more than fits into the memory "
    "that is allowed for one. Smaller pages were tried where the list has pages. Run the sync again later; if it "
    "repeats, report it to amoCRM support with the address of the list."
)
_NOT_GRANTED = (
    "amoCRM's host of files, {host}, does not let the token in{detail}. Where files are wanted, tick «Доступ к файлам» "
    "in the integration, and then grant access again or create a new token; else leave the table out."
)
_KEYS_TAB = "the tab «Ключи и доступы» of the integration"
_NEW_CODE = f"Take a new one («Код авторизации») from {_KEYS_TAB}, or press «Grant access» again."
_SWITCHED_OFF = (
    "amoCRM says that the account has switched off {path}{detail}, so there is nothing to read. Switch that part of "
    "amoCRM on, or leave its table out."
)
_NOT_IN_PLAN = (
    "amoCRM says that the plan of {host} lacks {path}{detail}. Choose a larger plan in «Настройки» → «Счета и "
    "оплата», or leave the table out."
)
_UNPAID = (
    "amoCRM says that {host} has not paid for {path}{detail}. Pay in «Настройки» → «Счета и оплата»; reading is "
    "possible again after that."
)
_NO_RIGHTS = (
    "The token's user may not read {path}{detail}. Let an administrator of the account grant access, or leave the "
    "table out."
)
_BROKEN = "amoCRM answered {path} with an empty or broken body, again and again. " + _AGAIN
_BAD_REQUEST = "amoCRM refused the request {path}{detail}. This is the connector's mistake: report it with this text."

_SUCCESS = range(200, 300)
_REFUSED = range(400, 500)
_NO_EXCHANGE = (400, 401)
_NO_ANSWER = (None,)

_DRIVE: dict[Rule, str] = {
    # The drive's refusals stop no other stream; the token is renewed only if the account rejects it, too
    _renews("the drive does not take the token", (401,), errors.NotGranted): _NOT_GRANTED,
    _fails("the drive lets nobody in", (403,), errors.NotGranted): _NOT_GRANTED,
    _fails("no drive", (404,), errors.NotFound): (
        "amoCRM's host of files, {host}, does not know {path}{detail}. Run the sync again later; if it "
        "repeats, leave the table out."
    ),
    _fails("the drive leads elsewhere", range(300, 400), errors.Moved, failure=_SYSTEM): (
        "amoCRM's host of files, {host}, leads elsewhere{detail}, where the token is not sent. Run the sync again; if "
        "it repeats, leave the table out and report it with this text."
    ),
    _retries("the drive's host name is not found", _NO_ANSWER, kinds=(ReplyKind.DNS,)): (
        "The network does not know amoCRM's host of files, {host} (DNS). Let the machine where this connector runs "
        "reach it, or leave the table out."
    ),
}
_PAIR: dict[Rule, str] = {Rule("a pair of tokens", (200,), holds=("access_token", "refresh_token")): ""}
_REFRESH: dict[Rule, str] = {
    _fails("the refresh token is spent", _NO_EXCHANGE, errors.Unauthorized, says=("revoked", "expired")): (
        "amoCRM no longer accepts the refresh token{detail}: it works once and for three months, and it is lost when "
        "something else uses it or the integration is switched off. {advice}"
    )
}
_CODE: dict[Rule, str] = {
    _fails("the code is used", _NO_EXCHANGE, errors.Unauthorized, says=("revoked",)): (
        "amoCRM has exchanged the authorization code already{detail}: it works once. " + _NEW_CODE
    ),
    _fails("the code has expired", _NO_EXCHANGE, errors.Unauthorized, says=("expired",)): (
        "The authorization code has expired{detail}: it works for 20 minutes. " + _NEW_CODE
    ),
}
_EXCHANGE: dict[Rule, str] = {
    _fails(
        "not this integration's",
        _NO_EXCHANGE,
        errors.Unauthorized,
        says=("cannot decrypt", "not linked to client", "not issued to this client"),
    ): (
        "What was to be exchanged for a token was not given to this integration, or was not copied whole{detail}. "
        "Copy it again together with the integration ID (client_id) and the secret key (client_secret): all of them "
        "are on " + _KEYS_TAB + "."
    ),
    _fails(
        "an unknown integration",
        _NO_EXCHANGE,
        errors.Unauthorized,
        says=("авторизация клиента", "некорректный клиент", "invalid_client", "client authentication"),
    ): (
        "amoCRM does not recognise the integration{detail}. Compare the integration ID (client_id), the secret key "
        "(client_secret) and the redirect URI with the integration's settings, letter for letter; a new secret key "
        "makes the old one useless."
    ),
    _fails("another redirect URI", _NO_EXCHANGE, errors.Unauthorized, says=("redirect",)): (
        "amoCRM gave no token because of the redirect URI{detail}. It must be, letter for letter, the one in the "
        "integration's settings."
    ),
    _fails("a refused exchange", _NO_EXCHANGE, errors.Unauthorized): (
        "amoCRM gave no new token{detail}. Compare the account address, the integration ID, the secret key and the "
        "redirect URI with the integration's settings. If they are right: {advice}"
    ),
}
_CUT_SHORT: dict[Rule, str] = {
    # These statuses do not say why: the whole body might name a part that is off, unpaid, or closed to this user
    _retries("a refusal that is cut short", (400, 403, 422, 425, 426), kinds=(ReplyKind.BROKEN,)): _BROKEN
}
_ACCEPTED: dict[Rule, str] = {
    Rule("an answer", range(200, 203), kinds=(ReplyKind.OBJECT,)): "",
    Rule("nothing found", (204,)): "",
}
_ACCOUNT: dict[Rule, str] = {
    _renews("no such account", (400, 401, 403, 404), errors.NotFound, codes=(101,)): (
        "There is no amoCRM account at {host}{detail}. Compare the account address (account_domain) with your "
        "browser's address bar: the account may have been renamed."
    ),
    _stops("the user is switched off", (400, 401, 403), errors.Unauthorized, codes=(112,)): (
        "The amoCRM user who granted access is switched off in {host}{detail}. Switch the user on again. If you "
        "cannot: {advice}"
    ),
}
_ANY: dict[Rule, str] = {
    _shrinks("too large an answer", _SUCCESS, kinds=(ReplyKind.TOO_LARGE,)): _TOO_LARGE,
    _retries_in_doubt("a web page instead of data", _SUCCESS, kinds=(ReplyKind.HTML,)): (
        "amoCRM answered {path} with a web page instead of data, again and again; usually it is under maintenance. "
        + _AGAIN
    ),
    _retries_in_doubt("an empty or broken body", _SUCCESS): _BROKEN,
    _fails("the address leads elsewhere", range(300, 400), errors.Moved): (
        "The address {host} leads elsewhere{detail}: the account may have been renamed or moved. Put the address that "
        "your browser shows when amoCRM is open into the account address (account_domain)."
    ),
    # amoCRM's own error numbers
    _stops("the IP address is not on the account's list", (401, 403), AmocrmError, codes=(113,)): (
        "The account {host} lets in only listed IP addresses{detail}. Let its administrator add the address of the "
        "machine where this connector runs to «Белый список ip-адресов» in «Настройки»."
    ),
    _fails("a part of amoCRM is off", _REFUSED, errors.FeatureOff, codes=(425, 426)): _SWITCHED_OFF,
    _fails("not in the plan", (402,), errors.Unpaid, says=("account tariff", "chat api limit")): _NOT_IN_PLAN,
    _fails("not paid", _REFUSED, errors.Unpaid, codes=(402,)): _UNPAID,
    _fails("no rights", _REFUSED, errors.Forbidden, codes=(288,)): _NO_RIGHTS,
    # Statuses from 400 on
    _renews("the token is not accepted", (401,), errors.Unauthorized): (
        "amoCRM does not accept the token at {host}{detail}: it was not copied whole, has expired or was revoked, the "
        "integration was switched off, or the token is another account's. {advice}"
    ),
    _fails("not paid", (402,), errors.Unpaid): _UNPAID,
    _stops("blocked by the front server", (403,), errors.Blocked, (ReplyKind.HTML, ReplyKind.EMPTY)): (
        "amoCRM blocks this connector: its front server refuses every request, as it does after too many of them. This "
        "does not pass by itself, so nothing more is sent. Write to amoCRM's support chat and give them the IP address "
        "of the machine where this connector runs, the subdomain {subdomain} and the account ID {account}. Afterwards "
        "lower the requests per second, or find the other integration that asks too often."
    ),
    _fails("no rights", (403,), errors.Forbidden): _NO_RIGHTS,
    _fails("no such address", (404,), errors.NotFound): (
        "amoCRM does not know {path} at {host}{detail}. If no table can be read, correct the account address "
        "(account_domain); if only some cannot, again and again, leave them out."
    ),
    _misunderstood("a request with a mistake", (422,), kinds=(ReplyKind.OBJECT,), says=("validation",)): _BAD_REQUEST,
    _fails("a part of amoCRM is off", (422, 425, 426), errors.FeatureOff, (ReplyKind.OBJECT,)): _SWITCHED_OFF,
    _retries("the request came too slowly", (408,)): (
        "amoCRM did not receive the whole request {path} in time, again and again. " + _AGAIN
    ),
    Rule("too many requests", (429,), errors.Throttled, action=ResponseAction.RATE_LIMITED, failure=_TRANSIENT): (
        "amoCRM kept answering «too many requests» for {minutes} minutes, or asked to wait longer than that. All "
        "integrations of the account share its limit: lower the requests per second here, or sync at another time. "
        + _AGAIN
    ),
    _misunderstood("a request that amoCRM does not understand", _REFUSED): _BAD_REQUEST,
    _retries_smaller("too much for the server", (504,)): (
        "amoCRM did not manage to answer {path} in time (504), again and again. " + _AGAIN
    ),
    _retries_in_doubt("the server failed", range(500, 600)): (
        "amoCRM failed at {path}{detail}, again and again. " + _AGAIN
    ),
    _fails("an unknown answer", range(1000), failure=_SYSTEM, doubtful=True): (
        "amoCRM answered {path} in a way this connector does not know{detail}. Report it with this text."
    ),
    # No answer
    _shrinks("too large a head", _NO_ANSWER, kinds=(ReplyKind.TOO_LARGE,)): _TOO_LARGE,
    _retries("the host name is not found", _NO_ANSWER, kinds=(ReplyKind.DNS,), stops=True): (
        "The network does not know the address {host} (DNS). Correct the account address (account_domain), or let the "
        "machine where this connector runs reach the internet."
    ),
    _retries("no connection", _NO_ANSWER, kinds=(ReplyKind.REFUSED, ReplyKind.CONNECT_TIMEOUT)): (
        "{host} does not accept connections. Let the machine where this connector runs reach it: a firewall or a proxy "
        "may stand in between. " + _AGAIN
    ),
    _fails("the certificate is not trusted", _NO_ANSWER, errors.Unavailable, (ReplyKind.CERTIFICATE,)): (
        "The certificate of {host} is not trusted, so nothing was sent. If a proxy of your company stands in between, "
        "give its certificate to the connector (environment variable REQUESTS_CA_BUNDLE)."
    ),
    _retries("no encrypted connection", _NO_ANSWER, kinds=(ReplyKind.TLS,)): (
        "No encrypted connection (TLS) to {host} could be established. A firewall or a proxy may stand in between. "
        + _AGAIN
    ),
    _retries_smaller("no answer in time", _NO_ANSWER, kinds=(ReplyKind.READ_TIMEOUT,)): (
        "{host} did not finish its answer to {path} in time, again and again. " + _AGAIN
    ),
    _retries_in_doubt("the connection is lost", _NO_ANSWER): (
        "The connection to {host} was lost at {path}, again and again. " + _AGAIN
    ),
}


def _table(*parts: Mapping[Rule, str]) -> Rules:
    return tuple(replace(rule, message=message) for part in parts for rule, message in part.items())


API = _table(_CUT_SHORT, _ACCEPTED, _ACCOUNT, _ANY)
DRIVE = _table(_CUT_SHORT, _DRIVE, _ACCEPTED, _ANY)
# The token endpoint, with a refresh token or with the code of a consent. Only a pair of tokens is a success
REFRESH = _table(_CUT_SHORT, _PAIR, _REFRESH, _EXCHANGE, _ACCOUNT, _ANY)
CODE = _table(_CUT_SHORT, _PAIR, _CODE, _EXCHANGE, _ACCOUNT, _ANY)
