"""The invitation page's answers to browsers and to amoCRM, free of any socket.

`/i/<key>` redirects a browser to `/allow?state=…`, which shows amoCRM's button. amoCRM posts the integration's keys to
`/secrets` and redirects the browser to `/callback`, in either order. `/wait` answers at once with the state of the
grant, and the page polls it. Accounts land in other threads, so that no request waits for amoCRM.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from amocrm_fleet import FleetError
from amocrm_fleet.invite.button import AMOCRM, KOMMO, Button, Service
from amocrm_fleet.invite.granted_account import Landing, tell
from amocrm_fleet.invite.grants import LONGEST_CODE, Grants, Landed, PendingGrant
from amocrm_fleet.invite.invitations import Invitation, digest
from source_amocrm.connect import signin
from source_amocrm.connect.connect_site import HEADERS, Request, Response, message, page, static
from source_amocrm.connect.connect_words import LANGUAGES, Problem, Texts, preferred
from source_amocrm.streams import STREAMS


@dataclass(frozen=True)
class PageAddress:
    """The page's public URL and its port on this computer. `consent_url`: None for amoCRM's own."""

    public_url: str
    port: int
    consent_url: str | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The values of a request's `Host` that are accepted: a proxy may pass on the public host or its own target."""
        return (urlsplit(self.public_url).netloc, f"localhost:{self.port}", f"127.0.0.1:{self.port}")


class InvitationSite:
    """Serves many people at once, each with their own grant.

    `language`: None for each browser's own. `run`: calls a function that waits for amoCRM, by default in this thread.
    """

    def __init__(
        self,
        address: PageAddress,
        landing: Landing,
        grants: Grants,
        language: str | None = None,
        run: Callable[[Callable[[], None]], object] = lambda work: work(),
    ) -> None:
        self._address = address
        self._landing = landing
        self._grants = grants
        self._language = language
        self._run = run
        self._lock = threading.Lock()
        self._landing_now: set[str] = set()

    def handle(self, request: Request) -> Response:
        try:
            return self._admit(request)
        except FleetError as error:
            tell(str(error))
            return message(503, "invite_unavailable", self._words(request))

    def _admit(self, request: Request) -> Response:
        words = self._words(request)
        if request.headers.get("host", "") not in self._address.hosts:
            return message(403, "invite_unknown", words)
        if request.path.startswith("/static/"):
            return static(request.path) or message(404, "invite_unknown", words)
        if request.path.startswith("/i/") and request.method == "GET":
            return self._open(request.path.removeprefix("/i/"), words)
        actions: dict[tuple[str, str], Callable[[Request, Texts], Response]] = {
            ("GET", "/allow"): self._allow,
            ("POST", "/secrets"): self._secrets,
            ("GET", "/callback"): self._callback,
            ("GET", "/wait"): self._wait,
        }
        action = actions.get((request.method, request.path))
        return action(request, words) if action else message(404, "invite_unknown", words)

    def _open(self, key: str, words: Texts) -> Response:
        """Opening the link does not spend the invitation, because messengers open every link."""
        name = digest(key)
        invitation = self._landing.invitations.find(name)
        if (reason := self._unusable(invitation)) is not None:
            return message(404 if invitation is None else 410, reason, words)
        return self._redirect("/allow", self._grants.begin(name))

    def _allow(self, request: Request, words: Texts) -> Response:
        state = request.query.get("state", "")
        grant = self._grants.find(state)
        if grant is None:
            return message(410, "invite_lost", words)
        invitation = self._landing.invitations.find(grant.invitation)
        if (reason := self._unusable(invitation)) is not None or invitation is None:
            return message(410, reason or "invite_unknown", words)
        service = KOMMO if invitation.kommo else AMOCRM
        button = Button(self._address.public_url, service, self._address.consent_url, self._landing.chat_texts)
        shown = page(
            200,
            "invitation.html",
            words,
            view="ask",
            state=state,
            service=service,
            account=invitation.account,
            label=invitation.label,
            sender=invitation.sender,
            count=len(STREAMS),
            chat_texts=self._landing.chat_texts,
            address=button.address(state),
            attributes=button.attributes(words("invite.button", service=service.name), state),
        )
        return Response(200, shown.body, {**shown.headers, **_headers_for(service)})

    def _secrets(self, request: Request, _: Texts) -> Response:
        """Answers amoCRM's server, which posts the keys. It takes only 200 for a success and shows any other status."""
        posted = _document(request.body)
        grant = self._grants.find(_text(posted, "state"))
        if grant is None:
            return _json(404, "This state is not known, or no longer")
        try:
            client_id = signin.key_of("client_id", _text(posted, "client_id"))
            client_secret = signin.key_of("client_secret", _text(posted, "client_secret"))
        except Problem:
            return _json(400, "client_id and client_secret of the integration are needed")
        with self._lock:
            if not grant.take_secret(client_id, client_secret):
                return _json(409, "There are other keys for this state already")
        self._start_landing(grant)
        return _json(200, "ok")

    def _callback(self, request: Request, words: Texts) -> Response:
        query = request.query
        grant = self._grants.find(query.get("state", ""))
        if grant is None:
            return message(410, "invite_lost", words)
        if "error" in query or not query.get("code"):
            return message(200, "invite_refused", words)
        if len(query["code"]) > LONGEST_CODE:
            return message(400, "invite_unknown", words)
        with self._lock:
            if not grant.code:
                grant.code, grant.referer = query["code"], query.get("referer", "")[:_LONGEST_HOST]
                grant.client_id = query.get("client_id", "")[:_LONGEST_ID]
        self._start_landing(grant)
        return self._redirect("/wait", query["state"])

    def _wait(self, request: Request, words: Texts) -> Response:
        state = request.query.get("state", "")
        grant = self._grants.find(state)
        if grant is None:
            return message(410, "invite_lost", words)
        if not grant.code:  # access was not allowed, or not yet
            return self._redirect("/allow", state)
        self._start_landing(grant)
        outcome = grant.outcome
        view = "waiting" if outcome is None else "landed" if isinstance(outcome, Landed) else "failed"
        problem = outcome if isinstance(outcome, Problem) else None
        return page(200, "invitation.html", words, view=view, problem=problem, state=state, landed=outcome)

    def _start_landing(self, grant: PendingGrant) -> None:
        """Starts the landing once the code and the keys have come, unless one of the same invitation is running."""
        with self._lock:
            if grant.outcome is not None or grant.keys is None or grant.invitation in self._landing_now:
                return
            self._landing_now.add(grant.invitation)
        self._run(lambda: self._land(grant))

    def _land(self, grant: PendingGrant) -> None:
        try:
            grant.outcome = self._landing.land(grant)
        except Problem as problem:
            grant.outcome = problem
        except Exception as error:
            tell(f"the landing of {grant.referer} failed: {type(error).__name__}.")
            grant.outcome = Problem("account_not_kept")
        finally:
            with self._lock:
                self._landing_now.discard(grant.invitation)

    def _unusable(self, invitation: Invitation | None) -> str | None:
        if invitation is None:
            return "invite_unknown"
        if invitation.used_by:
            return "invite_used"
        return "invite_over" if self._landing.invitations.is_over(invitation) else None

    def _redirect(self, path: str, state: str) -> Response:
        return Response(303, headers={"Location": f"{self._address.public_url}{path}?{urlencode({'state': state})}"})

    def _words(self, request: Request) -> Texts:
        grant = self._grants.find(request.query.get("state", ""))
        wished = request.query.get("lang", "")
        if grant and wished in LANGUAGES:
            grant.language = wished
        chosen = grant.language if grant else ""
        return Texts(chosen or self._language or preferred(request.headers.get("accept-language")))


_LONGEST_HOST, _LONGEST_ID = 253, 36
"""Letters of an account's address and of an integration's ID. A longer value is cut, and then matches none."""


def _headers_for(service: Service) -> dict[str, str]:
    """Headers that let amoCRM's button work: a script of amoCRM's sets styles and opens a window that messages back."""
    policy = HEADERS["Content-Security-Policy"].replace("script-src 'self'", f"script-src 'self' {service.origin}")
    return {
        "Content-Security-Policy": f"{policy}; style-src-attr 'unsafe-inline'",
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    }


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _json(status: int, text: str) -> Response:
    return Response(status, json.dumps({"status": text}).encode(), {"Content-Type": "application/json"})
