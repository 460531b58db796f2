"""The table, row by row: every line has an answer of amoCRM that meets it, and its exact words."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction as Action
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm import errors
from source_amocrm.auth import SignIn
from source_amocrm.auth.bearer import LongLivedTokenAuthenticator
from source_amocrm.auth.claims import Claims
from source_amocrm.auth.oauth import AmocrmOAuth2Authenticator
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.error_handler import AmocrmErrorHandler, classify
from source_amocrm.http.refusals import API, CODE, DRIVE, REFRESH, Rules
from source_amocrm.http.reply import Reply, ReplyKind
from testing.http_tools import explained, reply

CONFIG = FailureType.config_error
TRANSIENT = FailureType.transient_error
SYSTEM = FailureType.system_error
TABLES = (API, REFRESH, CODE, DRIVE)
STOP = "fails, and so does every request from now on"
AGAIN = "Try again later; what a sync has read is kept."


def problem(status: int, title: str, detail: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "type": f"https://httpstatus.es/{status}", "status": status, "detail": detail, **more}


UNAUTHORIZED = problem(401, "Unauthorized", "Invalid user name or password")
REVOKED = {
    "hint": "Token has been revoked",
    "title": "Некорректный запрос",
    "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson",
    "status": 401,
    "detail": "В запросе отсутствует ряд параметров или параметры невалидны",
}
PAIR = {"access_token": "access-0001", "refresh_token": "refresh-0001"}
BAD_CLIENT = {
    "title": "Некорректный клиент",
    "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson",
    "status": 401,
    "detail": "Авторизация клиента не прошла",
}
REVOKED_WORDS = (
    "Token has been revoked, В запросе отсутствует ряд параметров или параметры невалидны, Некорректный запрос"
)
INVALID = {
    "validation-errors": [
        {
            "request_id": "0",
            "errors": [{"code": "NotSupportedChoice", "path": "filter", "detail": "Not a valid choice."}],
        }
    ],
    **problem(400, "Bad Request", "Request validation failed"),
}
OFF = (
    "amoCRM says that the account has switched off /api/v4/leads{}, so there is nothing to read. Switch that part of "
    "amoCRM on, or leave its table out."
)
NOT_IN_PLAN = (
    "amoCRM says that the plan of example.amocrm.ru lacks /api/v4/leads ({}, Payment Required). Choose a larger "
    "plan in «Настройки» → «Счета и оплата», or leave the table out."
)
UNPAID = (
    "amoCRM says that example.amocrm.ru has not paid for /api/v4/leads (Payment required, Payment Required). Pay in "
    "«Настройки» → «Счета и оплата»; reading is possible again after that."
)
NO_RIGHTS = (
    "The token's user may not read /api/v4/leads (Доступ запрещен, Forbidden). Let an administrator of the account "
    "grant access, or leave the table out."
)
BLOCKED = (
    "amoCRM blocks this connector: its front server refuses every request, as it does after too many of them. This "
    "does not pass by itself, so nothing more is sent. Write to amoCRM's support chat and give them the IP address of "
    "the machine where this connector runs, the subdomain example and the account ID 123. Afterwards lower the "
    "requests per second, or find the other integration that asks too often."
)
NOT_GRANTED = (
    "amoCRM's host of files, example.amocrm.ru, does not let the token in ({}). Where files are wanted, tick «Доступ к "
    "файлам» in the integration, and then grant access again or create a new token; else leave the table out."
)
KEYS = "the tab «Ключи и доступы» of the integration"

CASES: list[tuple[str, Reply, Rules, Action | str, type[errors.AmocrmError] | None, FailureType | None, str]] = [
    ("an answer", reply(200, {"_embedded": {"leads": []}}), API, Action.SUCCESS, None, None, ""),
    ("nothing found", reply(204), API, Action.SUCCESS, None, None, ""),
    ("a pair of tokens", reply(200, PAIR), REFRESH, Action.SUCCESS, None, None, ""),
    (
        "a web page instead of data",
        reply(200, kind=ReplyKind.HTML),
        API,
        Action.RETRY,
        errors.Unavailable,
        TRANSIENT,
        "amoCRM answered /api/v4/leads with a web page instead of data, again and again; usually it is under "
        f"maintenance. {AGAIN}",
    ),
    *(
        (
            "an empty or broken body",
            reply(status, kind=kind),
            API,
            Action.RETRY,
            errors.Unavailable,
            TRANSIENT,
            f"amoCRM answered /api/v4/leads with an empty or broken body, again and again. {AGAIN}",
        )
        for status, kind in [(200, ReplyKind.EMPTY), (200, ReplyKind.BROKEN), (206, ReplyKind.OBJECT)]
    ),
    *(
        (
            "not in the plan",
            reply(402, problem(402, "Payment Required", words)),
            API,
            Action.FAIL,
            errors.Unpaid,
            CONFIG,
            NOT_IN_PLAN.format(words),
        )
        for words in ("Endpoint not available for current account tariff", "Over chat API limit")
    ),
    (
        "the address leads elsewhere",
        reply(301, headers={"Location": "https://example.kommo.com/api/v4/leads"}),
        API,
        Action.FAIL,
        errors.Moved,
        CONFIG,
        "The address example.amocrm.ru leads elsewhere (to example.kommo.com): the account may have been renamed or "
        "moved. Put the address that your browser shows when amoCRM is open into the account address (account_domain).",
    ),
    (
        "the address leads elsewhere",
        reply(302, kind=ReplyKind.HTML, headers={"Location": "https://evil.com/"}),
        API,
        Action.FAIL,
        errors.Moved,
        CONFIG,
        "The address example.amocrm.ru leads elsewhere: the account may have been renamed or moved. Put the address "
        "that your browser shows when amoCRM is open into the account address (account_domain).",
    ),
    (
        "the drive does not take the token",
        reply(401, UNAUTHORIZED),
        DRIVE,
        Action.REFRESH_TOKEN_THEN_RETRY,
        errors.NotGranted,
        CONFIG,
        NOT_GRANTED.format("Invalid user name or password, Unauthorized"),
    ),
    *(
        ("the drive lets nobody in", reply(403, body, kind), DRIVE, Action.FAIL, errors.NotGranted, CONFIG, said)
        for body, kind, said in [
            (problem(403, "Forbidden", "No", error_code=113), None, NOT_GRANTED.format("No, Forbidden")),
            (None, ReplyKind.HTML, NOT_GRANTED.replace(" ({})", "")),
        ]
    ),
    (
        "no drive",
        reply(404, problem(404, "Not Found", "Cannot GET")),
        DRIVE,
        Action.FAIL,
        errors.NotFound,
        CONFIG,
        "amoCRM's host of files, example.amocrm.ru, does not know /api/v4/leads (Cannot GET, Not Found). Run the sync "
        "again later; if it repeats, leave the table out.",
    ),
    (
        "the drive leads elsewhere",
        reply(302, headers={"Location": "https://evil.com/"}),
        DRIVE,
        Action.FAIL,
        errors.Moved,
        SYSTEM,
        "amoCRM's host of files, example.amocrm.ru, leads elsewhere, where the token is not sent. Run the sync "
        "again; if it repeats, leave the table out and report it with this text.",
    ),
    (
        "the drive's host name is not found",
        reply(None, kind=ReplyKind.DNS),
        DRIVE,
        Action.RETRY,
        errors.Unavailable,
        TRANSIENT,
        "The network does not know amoCRM's host of files, example.amocrm.ru (DNS). Let the machine where this "
        "connector runs reach it, or leave the table out.",
    ),
    (
        "the refresh token is spent",
        reply(401, REVOKED),
        REFRESH,
        Action.FAIL,
        errors.Unauthorized,
        CONFIG,
        f"amoCRM no longer accepts the refresh token ({REVOKED_WORDS}): it works once and for three months, and it is "
        "lost when something else uses it or the integration is switched off. Do this and that.",
    ),
    (
        "the code is used",
        reply(400, problem(400, "Bad Request", "x", hint="Authorization code has been revoked")),
        CODE,
        Action.FAIL,
        errors.Unauthorized,
        CONFIG,
        "amoCRM has exchanged the authorization code already (Authorization code has been revoked, x, Bad Request): it "
        f"works once. Take a new one («Код авторизации») from {KEYS}, or press «Grant access» again.",
    ),
    (
        "the code has expired",
        reply(400, problem(400, "Bad Request", "x", hint="Authorization code has expired")),
        CODE,
        Action.FAIL,
        errors.Unauthorized,
        CONFIG,
        "The authorization code has expired (Authorization code has expired, x, Bad Request): it works for 20 minutes. "
        f"Take a new one («Код авторизации») from {KEYS}, or press «Grant access» again.",
    ),
    (
        "not this integration's",
        reply(400, problem(400, "Bad Request", "x", hint="Cannot decrypt the refresh token")),
        REFRESH,
        Action.FAIL,
        errors.Unauthorized,
        CONFIG,
        "What was to be exchanged for a token was not given to this integration, or was not copied whole (Cannot "
        "decrypt the refresh token, x, Bad Request). Copy it again together with the integration ID (client_id) and "
        f"the secret key (client_secret): all of them are on {KEYS}.",
    ),
    (
        "an unknown integration",
        reply(401, BAD_CLIENT),
        REFRESH,
        Action.FAIL,
        errors.Unauthorized,
        CONFIG,
        "amoCRM does not recognise the integration (Авторизация клиента не прошла, Некорректный клиент). Compare the "
        "integration ID (client_id), the secret key (client_secret) and the redirect URI with the integration's "
        "settings, letter for letter; a new secret key makes the old one useless.",
    ),
    (
        "another redirect URI",
        reply(400, problem(400, "Bad Request", "x", hint="Invalid redirect URI")),
        CODE,
        Action.FAIL,
        errors.Unauthorized,
        CONFIG,
        "amoCRM gave no token because of the redirect URI (Invalid redirect URI, x, Bad Request). It must be, letter "
        "for letter, the one in the integration's settings.",
    ),
    (
        "a refused exchange",
        reply(400, problem(400, "Bad Request", "something else")),
        REFRESH,
        Action.FAIL,
        errors.Unauthorized,
        CONFIG,
        "amoCRM gave no new token (something else, Bad Request). Compare the account address, the integration ID, the "
        "secret key and the redirect URI with the integration's settings. If they are right: Do this and that.",
    ),
    (
        "no such account",
        reply(401, {"response": {"error": "Аккаунт не найден", "error_code": "101"}}),
        API,
        Action.REFRESH_TOKEN_THEN_RETRY,
        errors.NotFound,
        CONFIG,
        "There is no amoCRM account at example.amocrm.ru. Compare the account address (account_domain) with your "
        "browser's address bar: the account may have been renamed.",
    ),
    (
        "the user is switched off",
        reply(401, problem(401, "Unauthorized", "User is off", code=112)),
        API,
        STOP,
        errors.Unauthorized,
        CONFIG,
        "The amoCRM user who granted access is switched off in example.amocrm.ru (User is off, Unauthorized). Switch "
        "the user on again. If you cannot: Do this and that.",
    ),
    (
        "the IP address is not on the account's list",
        reply(403, problem(403, "Forbidden", "Access denied", code=113)),
        API,
        STOP,
        errors.AmocrmError,
        CONFIG,
        "The account example.amocrm.ru lets in only listed IP addresses (Access denied, Forbidden). Let its "
        "administrator add the address of the machine where this connector runs to «Белый список ip-адресов» in "
        "«Настройки».",
    ),
    (
        "a part of amoCRM is off",
        reply(400, {"error_code": 426, "detail": "Customers are off"}),
        API,
        Action.FAIL,
        errors.FeatureOff,
        CONFIG,
        OFF.format(" (Customers are off)"),
    ),
    (
        "not paid",
        reply(403, problem(403, "Payment Required", "Payment required", code=402)),
        API,
        Action.FAIL,
        errors.Unpaid,
        CONFIG,
        UNPAID,
    ),
    (
        "no rights",
        reply(422, problem(422, "Forbidden", "Доступ запрещен", code=288)),
        API,
        Action.FAIL,
        errors.Forbidden,
        CONFIG,
        NO_RIGHTS,
    ),
    (
        "the token is not accepted",
        reply(401, UNAUTHORIZED),
        API,
        Action.REFRESH_TOKEN_THEN_RETRY,
        errors.Unauthorized,
        CONFIG,
        "amoCRM does not accept the token at example.amocrm.ru (Invalid user name or password, Unauthorized): it was "
        "not copied whole, has expired or was revoked, the integration was switched off, or the token is another "
        "account's. Do this and that.",
    ),
    (
        "the token is not accepted",
        reply(401, kind=ReplyKind.HTML),
        API,
        Action.REFRESH_TOKEN_THEN_RETRY,
        errors.Unauthorized,
        CONFIG,
        "amoCRM does not accept the token at example.amocrm.ru: it was not copied whole, has expired or was revoked, "
        "the integration was switched off, or the token is another account's. Do this and that.",
    ),
    (
        "not paid",
        reply(402, problem(402, "Payment Required", "Payment required")),
        API,
        Action.FAIL,
        errors.Unpaid,
        CONFIG,
        UNPAID,
    ),
    *(
        ("blocked by the front server", reply(403, kind=kind), rules, STOP, errors.Blocked, CONFIG, BLOCKED)
        for kind in (ReplyKind.HTML, ReplyKind.EMPTY)
        for rules in (API, REFRESH, CODE)
    ),
    (
        "no rights",
        reply(403, problem(403, "Forbidden", "Доступ запрещен")),
        API,
        Action.FAIL,
        errors.Forbidden,
        CONFIG,
        NO_RIGHTS,
    ),
    (
        "no such address",
        reply(404, {"detail": "Cannot GET /api/v4/leads"}),
        API,
        Action.FAIL,
        errors.NotFound,
        CONFIG,
        "amoCRM does not know /api/v4/leads at example.amocrm.ru (Cannot GET /api/v4/leads). If no table can be read, "
        "correct the account address (account_domain); if only some cannot, again and again, leave them out.",
    ),
    (
        "a request with a mistake",
        reply(422, {**INVALID, "status": 422}),
        API,
        Action.FAIL,
        errors.BadRequest,
        SYSTEM,
        "amoCRM refused the request /api/v4/leads (Request validation failed, Bad Request, filter: Not a valid "
        "choice.). This is the connector's mistake: report it with this text.",
    ),
    *(
        (
            "a part of amoCRM is off",
            reply(status, problem(status, "Unprocessable Entity", "Функционал отключен")),
            API,
            Action.FAIL,
            errors.FeatureOff,
            CONFIG,
            OFF.format(" (Функционал отключен, Unprocessable Entity)"),
        )
        for status in (422, 425, 426)
    ),
    (
        "the request came too slowly",
        reply(408),
        API,
        Action.RETRY,
        errors.Unavailable,
        TRANSIENT,
        f"amoCRM did not receive the whole request /api/v4/leads in time, again and again. {AGAIN}",
    ),
    *(
        (
            "too many requests",
            reply(429, body, kind),
            rules,
            Action.RATE_LIMITED,
            errors.Throttled,
            TRANSIENT,
            "amoCRM kept answering «too many requests» for 15 minutes, or asked to wait longer than that. All "
            "integrations of the account share its limit: lower the requests per second here, or sync at another time. "
            f"{AGAIN}",
        )
        for body, kind in [
            (problem(429, "Too Many Requests", "Later", retry_after=300), None),
            (None, ReplyKind.BROKEN),
        ]
        for rules in TABLES
    ),
    *(
        (
            "a refusal that is cut short",
            reply(status, kind=ReplyKind.BROKEN),
            rules,
            Action.RETRY,
            errors.Unavailable,
            TRANSIENT,
            f"amoCRM answered /api/v4/leads with an empty or broken body, again and again. {AGAIN}",
        )
        for status in (400, 403, 422, 425, 426)
        for rules in TABLES
    ),
    (
        "a request that amoCRM does not understand",
        reply(400, INVALID),
        API,
        Action.FAIL,
        errors.BadRequest,
        SYSTEM,
        "amoCRM refused the request /api/v4/leads (Request validation failed, Bad Request, filter: Not a valid "
        "choice.). This is the connector's mistake: report it with this text.",
    ),
    (
        "a request that amoCRM does not understand",
        reply(405, kind=ReplyKind.HTML),
        API,
        Action.FAIL,
        errors.BadRequest,
        SYSTEM,
        "amoCRM refused the request /api/v4/leads. This is the connector's mistake: report it with this text.",
    ),
    (
        "too much for the server",
        reply(504, kind=ReplyKind.HTML),
        API,
        Action.RETRY,
        errors.Unavailable,
        TRANSIENT,
        f"amoCRM did not manage to answer /api/v4/leads in time (504), again and again. {AGAIN}",
    ),
    (
        "the server failed",
        reply(500, {"title": "ErrInternalServer", "status": 500, "detail": "Oops", "trace_id": "4bf92f3577b34da6"}),
        API,
        Action.RETRY,
        errors.Unavailable,
        TRANSIENT,
        "amoCRM failed at /api/v4/leads (Oops, ErrInternalServer), again and again. Try again later; what a sync has "
        "read is kept. [trace_id 4bf92f3577b34da6]",
    ),
    *(
        (
            "the server failed",
            reply(status, kind=ReplyKind.HTML, headers={"X-Request-Id": "a1b2-c3"}),
            API,
            Action.RETRY,
            errors.Unavailable,
            TRANSIENT,
            f"amoCRM failed at /api/v4/leads, again and again. {AGAIN} [X-Request-Id a1b2-c3]",
        )
        for status in (502, 503, 599)
    ),
    (
        "an unknown answer",
        reply(101),
        API,
        Action.FAIL,
        errors.AmocrmError,
        SYSTEM,
        "amoCRM answered /api/v4/leads in a way this connector does not know. Report it with this text.",
    ),
    (
        "the host name is not found",
        reply(None, kind=ReplyKind.DNS),
        API,
        Action.RETRY,
        errors.Unavailable,
        TRANSIENT,
        "The network does not know the address example.amocrm.ru (DNS). Correct the account address (account_domain), "
        "or let the machine where this connector runs reach the internet.",
    ),
    *(
        (
            "no connection",
            reply(None, kind=kind),
            API,
            Action.RETRY,
            errors.Unavailable,
            TRANSIENT,
            "example.amocrm.ru does not accept connections. Let the machine where this connector runs reach it: a "
            f"firewall or a proxy may stand in between. {AGAIN}",
        )
        for kind in (ReplyKind.REFUSED, ReplyKind.CONNECT_TIMEOUT)
    ),
    (
        "the certificate is not trusted",
        reply(None, kind=ReplyKind.CERTIFICATE),
        API,
        Action.FAIL,
        errors.Unavailable,
        CONFIG,
        "The certificate of example.amocrm.ru is not trusted, so nothing was sent. If a proxy of your company stands "
        "in between, give its certificate to the connector (environment variable REQUESTS_CA_BUNDLE).",
    ),
    (
        "no encrypted connection",
        reply(None, kind=ReplyKind.TLS),
        API,
        Action.RETRY,
        errors.Unavailable,
        TRANSIENT,
        "No encrypted connection (TLS) to example.amocrm.ru could be established. A firewall or a proxy may stand in "
        f"between. {AGAIN}",
    ),
    (
        "no answer in time",
        reply(None, kind=ReplyKind.READ_TIMEOUT),
        API,
        Action.RETRY,
        errors.Unavailable,
        TRANSIENT,
        f"example.amocrm.ru did not finish its answer to /api/v4/leads in time, again and again. {AGAIN}",
    ),
    *(
        (
            meaning,
            reply(status, kind=ReplyKind.TOO_LARGE),
            API,
            Action.REDUCE_PAGE_SIZE,
            errors.PageTooLarge,
            SYSTEM,
            "amoCRM's answer to /api/v4/leads is too large: more than 32 MB, or more than fits into the memory that is "
            "allowed for one. Smaller pages were tried where the list has pages. Run the sync again later; if it "
            "repeats, report it to amoCRM support with the address of the list.",
        )
        for meaning, status in (("too large an answer", 200), ("too large a head", None))
    ),
    *(
        (
            "the connection is lost",
            reply(None, kind=kind),
            API,
            Action.RETRY,
            errors.Unavailable,
            TRANSIENT,
            f"The connection to example.amocrm.ru was lost at /api/v4/leads, again and again. {AGAIN}",
        )
        for kind in (ReplyKind.RESET, ReplyKind.TRUNCATED, ReplyKind.BROKEN)
    ),
]


@pytest.mark.parametrize(("meaning", "seen", "rules", "action", "error", "failure", "sentence"), CASES)
def test_an_answer_is_classified_and_explained(
    meaning: str,
    seen: Reply,
    rules: Rules,
    action: Action | str,
    error: type[errors.AmocrmError] | None,
    failure: FailureType | None,
    sentence: str,
) -> None:
    row = classify(seen, rules)
    done = STOP if row.stops and row.action is Action.FAIL else row.action
    assert (row.meaning, done) == (meaning, action)
    assert not row.stops or done is STOP or seen.kind is ReplyKind.DNS  # a name may be found at the next attempt
    if error is None:
        assert row.message == ""
        return
    told = explained(row, seen)
    assert str(told) == sentence
    assert (type(told), told.failure_type, told.status) == (error, failure, seen.status)


def test_every_rule_has_a_case() -> None:
    met = {classify(seen, rules) for _, seen, rules, *_ in CASES}
    assert [row.meaning for table in TABLES for row in table if row not in met] == []


def test_a_problem_under_200_is_a_problem() -> None:
    assert classify(reply(200, UNAUTHORIZED)).meaning == "the token is not accepted"
    assert classify(reply(200, {"title": "x", "detail": "y", "status": "active"})).action is Action.SUCCESS


def test_an_answer_s_own_words_are_one_clean_short_line() -> None:
    seen = reply(403, problem(403, "Forbidden", "a\nb\x00c" + "d" * 500, trace_id="bad id\n"))
    told = explained(classify(seen), seen)
    assert str(told) == (
        f"The token's user may not read /api/v4/leads (a b c{'d' * 295}). Let an administrator of the account grant "
        "access, or leave the table out."
    )


def test_the_internal_message_is_technical() -> None:
    seen = reply(502, kind=ReplyKind.HTML, headers={"X-Request-Id": "r-1"})
    assert explained(classify(seen), seen).internal_message == (
        "/api/v4/leads at example.amocrm.ru: 502 (a web page). X-Request-Id r-1"
    )
    lost = reply(None, kind=ReplyKind.RESET, trouble="ConnectionError")
    assert explained(classify(lost), lost).internal_message == (
        "/api/v4/leads at example.amocrm.ru: connection lost. ConnectionError"
    )


def test_a_connection_that_fails_names_the_host_that_was_asked() -> None:
    """With api_base_url this is another host than the account's, which an answer is still about."""
    handler = AmocrmErrorHandler(RetryPolicy(), SignIn("http://127.0.0.1:37185", "example.amocrm.ru"), API)
    refused, unknown = reply(None, kind=ReplyKind.REFUSED), reply(401)
    assert str(handler.error(classify(refused), refused)).startswith("127.0.0.1:37185 does not accept connections. ")
    assert "at example.amocrm.ru" in str(handler.error(classify(unknown), unknown))


def test_kommo_is_told_of_in_the_words_of_its_menu() -> None:
    """No sentence names a part of the menu in Russian, whatever the answer; its own words are quoted as they are."""
    host = "example.kommo.com"
    sign_in = SignIn(f"https://{host}", claims=Claims())
    sign_in.advice = f"{LongLivedTokenAuthenticator.advice} {AmocrmOAuth2Authenticator.advice}"
    for table in TABLES:
        handler = AmocrmErrorHandler(RetryPolicy(), sign_in, table)
        for rule in table:
            assert not re.search("[а-яА-Я]", str(handler.error(rule, reply(402))))
    unpaid = reply(402, problem(402, "Payment Required", "Payment required"))
    assert str(AmocrmErrorHandler(RetryPolicy(), sign_in, API).error(classify(unpaid), unpaid)) == (
        "amoCRM says that example.kommo.com has not paid for /api/v4/leads (Payment required, Payment Required). Pay "
        "in “Settings” → “Billing”; reading is possible again after that."
    )


def test_without_an_account_id_the_error_says_where_to_find_it() -> None:
    seen = reply(403, kind=ReplyKind.HTML)
    told = explained(classify(seen), seen, account_id=None)
    assert "the account ID (see «Настройки» → «Общие настройки»)" in str(told)


@pytest.mark.parametrize("code", [None, 101, 112, 113, 288, 402, 425])
def test_no_answer_of_the_drive_stops_other_requests_and_only_a_401_may_renew_the_token(code: int | None) -> None:
    for status, kind in product([None, *range(200, 600)], ReplyKind):
        row = classify(reply(status, {"error_code": code} if code else None, kind), DRIVE)
        assert not row.stops, (status, kind)
        assert (row.action is Action.REFRESH_TOKEN_THEN_RETRY) == (status == 401), (status, kind)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
bodies = st.none() | st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        [
            "title",
            "detail",
            "hint",
            "status",
            "code",
            "error",
            "error_code",
            "response",
            "trace_id",
            "validation-errors",
        ],
        json_values,
    ),
)


@given(
    status=st.none() | st.integers(100, 999),
    body=bodies,
    kind=st.sampled_from(ReplyKind),
    rules=st.sampled_from(TABLES),
    location=st.text(max_size=20),
)
def test_any_answer_has_a_rule_and_a_sentence(
    status: int | None, body: dict[str, Any] | None, kind: ReplyKind, rules: Rules, location: str
) -> None:
    seen = reply(status, body, kind, headers={"Location": location, "X-Request-Id": location})
    row = classify(seen, rules)
    sentence = str(explained(row, seen))
    assert "\n" not in sentence
    assert "{" not in row.message.format(host="", subdomain="", account="", path="", detail="", advice="", minutes="")
