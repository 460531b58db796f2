"""The pages: templates filled with what is known. No secret ever gets into one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from source_amocrm.connect.flow import STEPS, Flow, Step, next_line
from source_amocrm.connect.signin import is_kommo
from source_amocrm.connect.words import LANGUAGE_NAMES, Problem, Texts
from source_amocrm.streams import STREAMS

FORM_FIELDS = {
    "account": ("address", "way"),
    "integration": ("client_id", "client_secret", "redirect_uri"),
    "access": ("pasted",),
}
"""The fields of each step beside which a problem is told."""
SECRETS = ("client_secret", "refresh_token", "access_token")
_TEMPLATES = Environment(
    loader=PackageLoader("source_amocrm.connect"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def step_page(flow: Flow, step: Step, words: Texts, problem: Problem | None, typed: Mapping[str, str]) -> str:
    """The page of one step. `typed`: the refused form's fields, without secrets."""
    return _render(
        f"{step}.html",
        words,
        flow=flow,
        step=step,
        problem=problem,
        at=problem.at if problem and problem.at in FORM_FIELDS.get(step, ()) else "",
        typed=typed,
        count=len(STREAMS),
        next_line=next_line(flow.config, flow.verdict.account_id) if flow.verdict else "",
        platform="kommo" if is_kommo(flow.domain) else "amocrm",
        form=form_fields(flow.settings, words) if flow.settings else [],
    )


def message_page(key: str, words: Texts, detail: str = "") -> str:
    """A page with nothing but `words["message." + key]`."""
    return _render("message.html", words, key=key, step=None, problem=None, at="", detail=detail)


def invitation_page(view: str, words: Texts, problem: Problem | None = None, **context: Any) -> str:
    """The page of an invitation: `ask`, `waiting`, `landed` or `failed`."""
    return _render("invitation.html", words, view=view, step=None, problem=problem, at="", **context)


def form_fields(settings: Mapping[str, Any], words: Texts) -> Iterator[dict[str, Any]]:
    """Yields the fields of Airbyte's form. `value` is None for a secret, which the copy button fetches by `name`."""
    kind = settings["credentials"]["auth_type"]
    for name, value in {"account_domain": settings["account_domain"], **settings["credentials"]}.items():
        label = words(f"field.{name}.{kind}" if name == "access_token" else f"field.{name}")
        shown = words(f"way.{kind}") if name == "auth_type" else None if name in SECRETS else value
        yield {"name": name, "label": label, "value": shown, "copied": name != "auth_type"}


def _render(template: str, words: Texts, **context: Any) -> str:
    page = _TEMPLATES.get_template(template)
    return page.render(w=words, rich=_rich, steps=STEPS, languages=LANGUAGE_NAMES.items(), **context)


def _rich(text: str, **params: object) -> Markup:
    """Text with its gaps filled and the names of menus and buttons, «so», marked as such."""
    marked = re.sub("«(.+?)»", r'<b class="menu">\1</b>', str(escape(text)))
    return Markup(marked).format(**params)
