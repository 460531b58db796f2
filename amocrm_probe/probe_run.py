"""Runs a probe: puts every question to the account and collects the answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version

from requests import Response

from amocrm_probe import redaction
from amocrm_probe.answer import ACCOUNT, Answers, ProbeAnswer, Unanswered, Why
from amocrm_probe.list_shapes import Shape, shapes
from amocrm_probe.probe_requests import Asking, over_http
from amocrm_probe.questions import QUESTIONS
from amocrm_probe.redaction import Document
from source_amocrm.account.account import Account
from source_amocrm.auth.claims import check_account
from source_amocrm.errors import AmocrmError

_REFUSED = 429


@dataclass
class Probe:
    """`stopped`: the first error that concerned more than one request, or None."""

    asking: Asking
    brand: str
    answers: dict[str, Answers] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    stopped: AmocrmError | None = None

    def run(self, on_request: Callable[[str], None] = lambda _: None) -> None:
        """`on_request`: called before each request with the title of its question."""
        for question in QUESTIONS:
            self.asking.on_request = partial(on_request, question.title)
            try:
                self.answers[question.name] = question.answer(self.asking)
            except Unanswered as unanswered:
                self.answers[question.name] = {ACCOUNT: ProbeAnswer(why=unanswered.why)}
            except AmocrmError as error:
                self.stopped = self.stopped or error
                self.answers[question.name] = {ACCOUNT: ProbeAnswer(why=Why.FAILED)}
        if not self.stopped:
            with suppress(AmocrmError):
                self.shapes = shapes(self.asking)

    def found(self) -> Document:
        return redaction.document(
            QUESTIONS,
            self.answers,
            self.shapes,
            version=version("source-amocrm"),
            brand=self.brand,
            requests=self.asking.sent(),
        )


def probe_of(account: Account) -> Probe:
    """Raises AmocrmError if the account cannot be read at all."""
    api = account.api
    asking = Asking(over_http(api), lambda: api.stats.requests)
    api.session.hooks["response"].append(partial(_note_refusal, asking))
    check_account(api.auth.claims.account_id, account.facts().body)
    return Probe(asking, "kommo" if api.auth.domain.endswith(".kommo.com") else "amocrm")


def _note_refusal(asking: Asking, response: Response, *_: object, **__: object) -> None:
    if response.status_code == _REFUSED:
        asking.refused.append(dict(response.headers))
