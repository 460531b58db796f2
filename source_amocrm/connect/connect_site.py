"""The page's responses to a browser, without any socket, and who may request them. No page ever holds a secret."""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from source_amocrm.connect.connect_flow import CALLBACK, STEPS, Flow, Step, next_line
from source_amocrm.connect.connect_words import LANGUAGE_NAMES, LANGUAGES, Problem, Texts, preferred
from source_amocrm.connect.signin import is_kommo, is_same, recognise
from source_amocrm.streams import STREAMS

COOKIE = "source-amocrm-connect"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # no-referrer would also remove the Origin header from our own forms
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_STATIC = {"app.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"}
FORM_FIELDS = {
    "account": ("address", "way"),
    "integration": ("client_id", "client_secret", "redirect_uri"),
    "access": ("pasted",),
}
"""The fields of each step beside which the page shows a problem."""
SECRETS = ("client_secret", "refresh_token", "access_token")
_TEMPLATES = Environment(
    loader=PackageLoader("source_amocrm.connect"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Request:
    """Header names are lower case; a name given twice in `query` or `form` counts once."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass
class Response:
    """`headers`: of this response, beside HEADERS."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.headers = {**HEADERS, **self.headers}


class Site:
    """The pages by which one person connects one account.

    They answer a browser on this computer that came by `link`, which works once, and no other site in that browser.
    `language`: None for the browser's. `finish` is called when the person presses «Finish».
    """

    def __init__(self, flow: Flow, language: str | None, finish: Callable[[], None]) -> None:
        self.flow = flow
        self.origin = f"http://localhost:{flow.port}"
        self._key, self._session = secrets.token_urlsafe(32), f"{COOKIE}={secrets.token_urlsafe(32)}"
        self.link = f"{self.origin}/start?key={self._key}"
        self._hosts = (f"localhost:{flow.port}", f"127.0.0.1:{flow.port}")
        self._language = language
        self._finish = finish
        self._problem: Problem | None = None
        self._typed: Mapping[str, str] = {}
        self._lock = threading.Lock()

    def handle(self, request: Request) -> Response:
        """Answers one request at a time: two windows must not exchange one code."""
        with self._lock:
            return self._admit(request)

    def _admit(self, request: Request) -> Response:
        words = Texts(self._language or preferred(request.headers.get("accept-language")))
        if request.headers.get("host", "") not in self._hosts:  # DNS rebinding
            return message(403, "foreign", words)
        if request.path.startswith("/static/"):
            return static(request.path) or message(404, "unknown", words)
        pairs = request.headers.get("cookie", "").split(";")
        known = any(is_same(pair.strip(), self._session) for pair in pairs)
        if request.path == "/start" and not known:
            if not is_same(request.query.get("key", ""), self._key):
                return message(403, "link_used", words)
            self._key = ""
            # SameSite=Lax, for the redirect comes from amoCRM's site
            cookie = f"{self._session}; Path=/; HttpOnly; SameSite=Lax"
            return Response(303, headers={"Location": f"{self.origin}/", "Set-Cookie": cookie})
        # the redirect's state proves that the consent was ours, even if the browser does not send the cookie
        ours = known or is_same(request.query.get("state", ""), self.flow.state)
        if (request.method, request.path) == ("GET", CALLBACK) and ours:
            return self._do("callback", request.query)
        if not known or (request.method == "POST" and not self._is_own_form(request.headers)):
            return message(403, "foreign", words)
        return self._route(request, words)

    def _is_own_form(self, headers: Mapping[str, str]) -> bool:
        """Whether one of our own pages sent the form. Another port of localhost is the same site but another origin."""
        origin = headers.get("origin")
        if origin is not None:
            return origin in {f"http://{host}" for host in self._hosts}  # ignore-https-check: on this machine
        return headers.get("sec-fetch-site") == "same-origin"

    def _route(self, request: Request, words: Texts) -> Response:
        if request.query.get("lang") in LANGUAGES:
            self._language = request.query["lang"]
            return self._redirect(request.path)
        match request.method, request.path[1:]:
            case "GET", ("" | "start"):
                return self._redirect(f"/{self.flow.step}")
            case "GET", "grant":
                return self._grant(request)
            case "GET", ("account" | "integration" | "access" | "result") as step:
                return self._show(step, words)
            case "POST", ("account" | "integration" | "access" | "check" | "save") as action:
                return self._do(action, request.form)
            case "POST", "settings":
                return self._settings()
            case "POST", "finish":
                self._finish()
                return message(200, "finished", words)
        return message(404, "unknown", words)

    def _show(self, step: Step, words: Texts) -> Response:
        if STEPS.index(step) > STEPS.index(self.flow.step):
            return self._redirect(f"/{self.flow.step}")
        flow, problem = self.flow, self._problem
        return page(
            200,
            f"{step}.html",
            words,
            flow=flow,
            step=step,
            problem=problem,
            at=problem.at if problem and problem.at in FORM_FIELDS.get(step, ()) else "",
            typed=self._typed,
            count=len(STREAMS),
            next_line=next_line(flow.config, flow.verdict.account_id) if flow.verdict else "",
            platform="kommo" if is_kommo(flow.domain) else "amocrm",
            form=form_fields(flow.settings, words) if flow.settings else [],
        )

    def _grant(self, request: Request) -> Response:
        if self.flow.keys is None or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return self._redirect("/")
        self._problem = None
        return Response(303, headers={"Location": self.flow.begin_consent()})

    def _do(self, action: str, form: Mapping[str, str]) -> Response:
        """Redirects to the first step that is not done, or back to a form that holds a mistake."""
        self._problem, self._typed = None, {}
        try:
            self._take(action, form)
        except Problem as problem:
            self._problem = problem
            if action in ("account", "integration"):
                self._typed = {name: text for name, text in form.items() if name not in SECRETS}
                return self._redirect(f"/{action}")
        return self._redirect(f"/{self.flow.step}")

    def _take(self, action: str, form: Mapping[str, str]) -> None:
        """Takes a step. After a sign-in, checks the settings, and saves them if there is no file. Raises Problem."""
        flow = self.flow
        match action:
            case "account":
                flow.choose_account(form.get("address"), form.get("way", ""))
            case "integration":
                flow.install(*map(form.get, FORM_FIELDS["integration"]))
            case "access" if flow.domain:
                flow.take(recognise(form.get("pasted", "")))
            case "callback":
                if flow.settings and not flow.state:  # a redirect that was taken, and comes again by a reload
                    return
                flow.take(form)
            case "save" if flow.settings:
                flow.save(replace=True)
        if action in ("access", "callback", "check") and flow.settings:
            flow.check()
            if not flow.config.exists():
                flow.save()

    def _settings(self) -> Response:
        """Returns the settings with their secrets, which no page may hold, for the copy buttons."""
        settings = self.flow.settings or {}
        fields = {**settings, **settings.get("credentials", {})}
        fields["everything"] = json.dumps(settings, ensure_ascii=False, indent=2)
        body = {name: value for name, value in fields.items() if isinstance(value, str)}
        return Response(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _redirect(self, path: str) -> Response:
        return Response(303, headers={"Location": f"{self.origin}{path}"})


def static(path: str) -> Response | None:
    """Returns a static file of the pages; None if there is none at this path."""
    name = path.removeprefix("/static/")
    if name not in _STATIC:
        return None
    body = (resources.files("source_amocrm.connect") / "static" / name).read_bytes()
    return Response(200, body, {"Content-Type": _STATIC[name]})


def page(status: int, template: str, words: Texts, **context: Any) -> Response:
    known = {"step": None, "problem": None, "at": "", "steps": STEPS, "languages": LANGUAGE_NAMES.items()}
    text = _TEMPLATES.get_template(template).render({**known, **context}, w=words, rich=_rich)
    return Response(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"})


def message(status: int, key: str, words: Texts, detail: str = "") -> Response:
    """Returns a page with nothing but `words["message." + key]`."""
    return page(status, "message.html", words, key=key, detail=detail)


def form_fields(settings: Mapping[str, Any], words: Texts) -> Iterator[dict[str, Any]]:
    """Yields the fields of Airbyte's form. `value` is None for a secret, which the copy button fetches by `name`."""
    kind = settings["credentials"]["auth_type"]
    for name, value in {"account_domain": settings["account_domain"], **settings["credentials"]}.items():
        label = words(f"field.{name}.{kind}" if name == "access_token" else f"field.{name}")
        shown = words(f"way.{kind}") if name == "auth_type" else None if name in SECRETS else value
        yield {"name": name, "label": label, "value": shown, "copied": name != "auth_type"}


def _rich(text: str, **params: object) -> Markup:
    """Returns the text with its gaps filled, and with the «names» of menus and buttons in bold."""
    marked = re.sub("«(.+?)»", r'<b class="menu">\1</b>', str(escape(text)))
    return Markup(marked).format(**params)
