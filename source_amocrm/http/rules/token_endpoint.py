"""Refusals of the token endpoint: of a refresh token, or of the code of a consent."""

from __future__ import annotations

from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction as Action

from source_amocrm.errors import (
    CodeExpired,
    CodeUsed,
    NotIssued,
    OtherRedirectUri,
    Unauthorized,
    UnknownIntegration,
)
from source_amocrm.http.rules.rule import CONFIG, Rule, Where

_REFUSED = (400, 401)
_TOKENS = (Where.REFRESH, Where.CODE)
_KEYS = "the tab «Ключи и доступы» of the integration"
_NEW_CODE = f"Take a new one («Код авторизации») from {_KEYS}, or press «Grant access» again."

TOKEN_ENDPOINT: tuple[Rule, ...] = (
    Rule(
        "the refresh token is spent",
        _REFUSED,
        Action.FAIL,
        "amoCRM no longer accepts the refresh token{detail}: it works once and for three months, and it is lost when "
        "something else uses it or the integration is switched off. {advice}",
        Unauthorized,
        CONFIG,
        says=("revoked", "expired"),
        where=(Where.REFRESH,),
    ),
    Rule(
        "the code is used",
        _REFUSED,
        Action.FAIL,
        "amoCRM has exchanged the authorization code already{detail}: it works once. " + _NEW_CODE,
        CodeUsed,
        CONFIG,
        says=("revoked",),
        where=(Where.CODE,),
    ),
    Rule(
        "the code has expired",
        _REFUSED,
        Action.FAIL,
        "The authorization code has expired{detail}: it works for 20 minutes. " + _NEW_CODE,
        CodeExpired,
        CONFIG,
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
        CONFIG,
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
        CONFIG,
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
        CONFIG,
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
        CONFIG,
        where=_TOKENS,
    ),
)
