"""OAuth 2.0 of the account: codes, rotating pairs, long-lived tokens. Every secret contains `s3cr3t`."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from random import Random

from .account import Account
from .clock import Clock
from .credentials import DAY, MARK, Access, Client, Code, Lifetimes, Refresh
from .http import Request, Response, dumps, ok, plain_json, problem, unauthorized
from .store import Row


@dataclass
class Tokens:
    """Every token and code that the account has issued, and whether each is valid."""

    account: Account
    client: Client = field(default_factory=Client)
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    seed: int = 0
    exchanges: int = 0  # successful answers of the token endpoint
    _access: dict[str, Access] = field(default_factory=dict)
    _refresh: dict[str, Refresh] = field(default_factory=dict)
    _codes: dict[str, Code] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = Random(f"tokens {self.seed}")

    @property
    def clock(self) -> Clock:
        return self.account.clock

    def all_secrets(self) -> list[str]:
        """Returns every secret, none of which may appear in an output."""
        return [self.client.client_secret, *self._access, *self._refresh, *self._codes]

    def long_lived(self, days: float = 365) -> str:
        """Issues a long-lived token, as the integration's settings do."""
        return self._new_access(int(days * DAY), None, "long-lived").token

    def code(self) -> str:
        """Issues an authorization code for one exchange."""
        text = f"def502{MARK}{self._hex(200)}"
        self._codes[text] = Code(text, self.clock.now() + self.lifetimes.code)
        return text

    def grant(self) -> Row:
        """Issues a pair of tokens, in the form of the token endpoint's answer."""
        access = self._new_access(self.lifetimes.access, self.lifetimes.access_requests, "access")
        text = f"def502{MARK}{self._hex(400)}"
        self._refresh[text] = Refresh(text, self.clock.now() + self.lifetimes.refresh, access)
        return {
            "token_type": "Bearer",
            "expires_in": self.lifetimes.access,
            "server_time": self.clock.now(),
            "access_token": access.token,
            "refresh_token": text,
        }

    def revoke(self, token: str) -> None:
        """Makes an access or a refresh token invalid at once."""
        if token in self._access:
            self._access[token].revoked = True
        else:
            self._refresh[token].used = True

    def is_good(self, refresh_token: str) -> bool:
        """Whether a refresh token can still be exchanged."""
        refresh = self._refresh.get(refresh_token)
        return refresh is not None and not refresh.used and self.clock.now() < refresh.expires_at

    def label(self, token: str | None) -> str | None:
        """Returns a name of the token that may be logged."""
        if token is None:
            return None
        return self._access[token].label if token in self._access else "unknown"

    def check(self, token: str | None) -> Response | None:
        """Counts a request of a bearer token. Returns None if the token is valid, else a 401."""
        access = self._access.get(token or "")
        if access is None or access.revoked or not self.client.enabled or self.clock.now() >= access.expires_at:
            return unauthorized()
        if access.requests_left is not None:
            if access.requests_left <= 0:
                return unauthorized()
            access.requests_left -= 1
        return None

    def exchange(self, request: Request) -> Response:
        """POST /oauth2/access_token: exchanges a code or a refresh token for a new pair."""
        sent = _parameters(request)
        client = self.client
        if sent.get("client_id") != client.client_id or sent.get("client_secret") != client.client_secret:
            return _bad_client()
        if sent.get("redirect_uri") != client.redirect_uri:
            return _bad_client()
        if not client.enabled:
            return _bad_client()
        grant_type = sent.get("grant_type")
        if grant_type == "authorization_code":
            return self._exchange_code(sent.get("code"))
        if grant_type == "refresh_token":
            return self._exchange_refresh(sent.get("refresh_token"))
        return _bad_request(400, "Check that all required parameters have been provided")

    def _exchange_code(self, text: str | None) -> Response:
        code = self._codes.get(text or "")
        if code is None:
            return _bad_request(400, "Cannot decrypt the authorization code")
        if code.used:
            return _bad_request(400, "Authorization code has been revoked")
        if self.clock.now() >= code.expires_at:
            return _bad_request(400, "Authorization code has expired")
        code.used = True
        self.exchanges += 1
        return plain_json(self.grant())

    def _exchange_refresh(self, text: str | None) -> Response:
        refresh = self._refresh.get(text or "")
        if refresh is None or refresh.used or self.clock.now() >= refresh.expires_at:
            return _bad_request(401, "Token has been revoked")
        refresh.used = True
        if not self.account.switches.old_access_survives_refresh:
            refresh.access.revoked = True
        self.exchanges += 1
        return plain_json(self.grant())

    def current_subdomain(self, request: Request) -> Response:
        """GET /oauth2/account/current/subdomain with a valid refresh token in X-Refresh-Token."""
        refresh = self._refresh.get(request.headers.get("x-refresh-token", ""))
        if refresh is None or refresh.used or self.clock.now() >= refresh.expires_at:
            return unauthorized()
        domain = self.account.domain
        top = domain.rpartition(".")[2]
        return ok(
            {"id": self.account.id, "subdomain": self.account.subdomain, "domain": domain, "top_level_domain": top}
        )

    def _new_access(self, lifetime: int, requests: int | None, kind: str) -> Access:
        now = self.clock.now()
        base_domain = self.account.domain.partition(".")[2]
        claims = {
            "aud": self.client.client_id,
            "jti": self._hex(80),
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "sub": str(next(iter(self.account.users), 0)),
            "grant_type": "",
            "account_id": self.account.id,
            "base_domain": base_domain,
            "api_domain": f"api-b.{base_domain}",
            "version": 2,
            "scopes": [
                *("push_notifications", "files", "crm", "files_delete", "notifications"),
                *(["list_external_messages"] if self.account.switches.chat_texts != "no scope" else []),
            ],
            "user_flags": 0,
            "hash_uuid": self._hex(32),
        }
        if not self.account.switches.files_scope:
            claims["scopes"] = ["push_notifications", "crm", "notifications"]
        if not self.account.switches.scopes_told:
            del claims["scopes"]
        head = _base64({"typ": "JWT", "alg": "RS256", "jti": claims["jti"]})
        token = f"{head}.{_base64(claims)}.{MARK}{self._hex(336)}"
        access = Access(token, f"{kind} {len(self._access) + 1}", now + lifetime, requests)
        self._access[token] = access
        return access

    def _hex(self, length: int) -> str:
        return f"{self._random.getrandbits(4 * length):0{length}x}"


def _base64(document: Row) -> str:
    return base64.urlsafe_b64encode(dumps(document)).rstrip(b"=").decode()


def _parameters(request: Request) -> dict[str, str]:
    """Returns the parameters of a JSON or form body."""
    from urllib.parse import parse_qsl

    text = request.body.decode("utf-8", "replace")
    if "form-urlencoded" in request.headers.get("content-type", ""):
        return dict(parse_qsl(text))
    try:
        document = json.loads(text or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


OAUTH_TYPE = "https://developers.amocrm.ru/v3/errors/OAuthProblemJson"


def _bad_request(status: int, hint: str) -> Response:
    response = problem(status, "", "")
    detail = "В запросе отсутствует ряд параметров или параметры невалидны"
    body = {"hint": hint, "title": "Некорректный запрос", "type": OAUTH_TYPE, "status": status, "detail": detail}
    response.body = dumps(body)
    return response


def _bad_client() -> Response:
    response = problem(401, "", "")
    detail = "Авторизация клиента не прошла"
    response.body = dumps({"title": "Некорректный клиент", "type": OAUTH_TYPE, "status": 401, "detail": detail})
    return response
