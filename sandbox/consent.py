"""The page on which a person allows or refuses an integration, and the redirect that follows."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from .external import External
from .http import Request, Response, html
from .query import scalar
from .tokens import Tokens

PAGE = """<!doctype html><html lang="ru"><meta charset="utf-8"><title>Предоставить доступ</title>
<body><h1>Интеграция запрашивает доступ</h1><p>Аккаунт: {account}</p>
<p><a id="allow" href="/oauth/decide?answer=allow&amp;{query}">Разрешить</a></p>
<p><a id="deny" href="/oauth/decide?answer=deny&amp;{query}">Отказать</a></p></body></html>
"""


@dataclass
class Consent:
    """`referer`, `state`: replace the true values in the redirect, for tests of forged redirects."""

    tokens: Tokens
    referer: str | None = None
    state: str | None = None

    def __post_init__(self) -> None:
        self.external = External(self.tokens)

    def page(self, request: Request) -> Response:
        """GET /oauth?client_id=…&state=…&mode=popup|post_message, or with a button's parameters instead of the ID."""
        query = request.params()
        if External.is_requested(query):
            return html(200, PAGE.format(account=escape(self.tokens.account.name), query=escape(request.query)))
        if scalar(query.get("client_id")) != self.tokens.client.client_id:
            return html(404, "<h1>Интеграция не найдена</h1>")
        state = urlencode({"state": scalar(query.get("state")) or ""})
        return html(200, PAGE.format(account=escape(self.tokens.account.name), query=escape(state)))

    def decide(self, request: Request) -> Response:
        query = request.params()
        state = scalar(query.get("state")) if self.state is None else self.state
        allowed = scalar(query.get("answer")) == "allow"
        if External.is_requested(query):
            if allowed and (refused := self.external.create(query)) is not None:
                text = "Произошла ошибка создания, обратитесь к разработчику интеграции."
                return html(200, f"<h1>{text} (Code {refused})</h1>")
            return self._redirect(scalar(query.get("redirect_uri")) or "", allowed, state)
        return self._redirect(self.tokens.client.redirect_uri, allowed, state)

    def _redirect(self, uri: str, allowed: bool, state: str | None) -> Response:
        if allowed:
            answer = {
                "code": self.tokens.code(),
                "referer": self.referer or self.tokens.account.domain,
                "state": state or "",
                "platform": "2" if self.tokens.account.switches.kommo else "1",
                "client_id": self.tokens.client.client_id,
            }
        else:
            answer = {"error": "access_denied", "state": state or ""}
        return Response(302, b"", {"location": f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}"})
