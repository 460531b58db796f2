"""Whatever an account holds, and wherever it stands in what amoCRM answers, a probe tells nothing of it."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from amocrm_probe import list_shapes, redaction
from amocrm_probe.answer import ACCOUNT, ProbeAnswer, Why
from amocrm_probe.lists import LISTS
from amocrm_probe.probe_page import page
from amocrm_probe.probe_requests import Asking
from amocrm_probe.probe_run import Probe
from amocrm_probe.questions import QUESTIONS
from amocrm_probe.questions.question import Question
from source_amocrm.account.event_kinds import EVENT_KINDS
from source_amocrm.errors import AmocrmError, BadRequest, Forbidden, NotFound, PageTooLarge
from source_amocrm.http import Params
from source_amocrm.http.reply import Reply, ReplyKind

NAMES = tuple(
    """
id talk_id key uid name created_at updated_at entity_id entity_type type price price_with_minor_units next_price result
params custom_fields_values _embedded _links rights is_deleted is_unsorted is_pinned value_after value_before status
missed_at source_id note_type linked_talk_contact_id code customers_mode is_api_filter_enabled drive_url _total_items
link unlink entity note custom_field_value values value enum_id enum_code field_type groups contacts leads source
    """.split()  # noqa: SIM905
)
WORDS = ("leads", "lead", "contact", "checkbox", "select", *sorted(EVENT_KINDS)[:12])


class Hostile:
    """An account made of what must not be told. `secrets`: all that is of the account's people."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        letters = string.ascii_letters + "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
        self.secrets = [
            *("".join(random.choices(letters + " '\"\x1b\x07\n\r\u202e", k=12)) + "Я" for _ in range(3)),
            "+7" + "".join(random.choices(string.digits, k=10)),
            "eyJ" + "".join(random.choices(string.ascii_letters + string.digits + "-_", k=40)) + "0",
            "".join(random.choices(string.ascii_lowercase, k=9)) + ".amocrm.ru",
            "".join(random.choices(string.ascii_lowercase, k=7)) + "@example.com",
            "".join(random.choices(string.ascii_lowercase, k=11)),
            f"custom_field_{random.randrange(10**6, 10**9)}_value_changed",
        ]
        self.ids = [random.randrange(10**7, 10**12) for _ in range(6)]
        self.times = [random.randrange(1_400_000_000, 1_800_000_000) for _ in range(4)]
        self.rows = [self.row(2) for _ in range(14)]
        self.bodies = [self.row(1) for _ in range(6)]
        self.sent = 0

    def value(self, depth: int) -> Any:
        chance = self.random.random()
        if chance < 0.3:
            return self.random.choice(self.secrets)
        if chance < 0.55:
            return self.random.choice((*self.ids, *self.times))
        if chance < 0.7 or not depth:
            return self.random.choice((None, True, False, 0, -1, 1.5, 10**30, "", [], {}, *WORDS))
        if chance < 0.85:
            return [self.value(depth - 1) for _ in range(2)]
        return self.row(depth - 1)

    def fresh(self) -> str:
        """A word of small letters, as names of fields are, that stands in no other row."""
        self.secrets.append("".join(self.random.choices(string.ascii_lowercase, k=11)))
        return self.secrets[-1]

    def row(self, depth: int) -> dict[str, Any]:
        """Some rows are what they should be in some of their fields."""
        row = {name: self.value(depth) for name in self.random.sample(NAMES, 8)}
        row |= {self.random.choice(self.secrets[:7]): self.value(0), self.fresh(): self.value(0)}
        if self.random.random() < 0.7:
            row |= {"id": self.random.choice(self.ids), "entity_id": self.random.choice(self.ids)}
            row |= {name: self.random.choice(self.times) for name in ("created_at", "updated_at")}
            row |= {"type": self.random.choice(WORDS), "entity_type": self.random.choice(("lead", "leads", "contact"))}
        return row

    def fetch(self, path: str, params: Params, headers: Mapping[str, str]) -> Reply:  # noqa: ARG002
        self.sent += 1
        random = self.random
        chance = random.random()
        if chance < 0.04:
            kind = random.choice((Forbidden, NotFound, BadRequest, PageTooLarge, AmocrmError))
            raise kind(random.choice(self.secrets), status=random.choice((304, 400, 403, 504)))
        shown = random.sample(self.rows, random.randrange(6)) if chance < 0.9 else [random.choice(self.secrets)]
        collection = next((one.collection for one in LISTS.values() if one.path == path), "links")
        body = random.choice(self.bodies) | ({"_embedded": {collection: shown}} if chance < 0.97 else {})
        body |= {"_links": {"next": random.choice(self.secrets)}} if random.random() < 0.5 else {}
        told = {"Date": random.choice(self.secrets), "Retry-After": random.choice(self.secrets)}
        return Reply(random.choice((200, 204)), ReplyKind.OBJECT, body, told, random.random(), random.random() * 10**10)


def leaves(document: Any) -> Iterator[Any]:
    if isinstance(document, dict):
        yield from document
        for part in document.values():
            yield from leaves(part)
    else:
        yield document


ALLOWED = {
    *("format", "version", "brand", "requests", "answers", "answer", "why", "likely", "seen", "names", ACCOUNT),
    *redaction.BRANDS,
    *redaction.COUNTED,
    *LISTS,
    *(why.value for why in Why),
    *(question.name for question in QUESTIONS),
    *(value for question in QUESTIONS for value in question.values),
    *("shapes", "rows", "places", "words", *redaction.TOLD, list_shapes.OWN_FIELD),
}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**64))
@example(2_365_459_736_553_353)  # tasks of the type "contact", often enough to be told
def test_nothing_of_an_account_is_told(seed: int) -> None:
    account = Hostile(seed)
    asking = Asking(account.fetch, lambda: account.sent)
    asking.refused.append({"Retry-After": account.secrets[0], account.secrets[1]: account.secrets[2]})
    probe = Probe(asking, account.secrets[0])
    probe.run()
    found = probe.found()
    text = page(QUESTIONS, found)
    said = json.dumps(found, ensure_ascii=False) + text
    assert [secret for secret in account.secrets if secret in said] == []
    assert [number for number in (*account.ids, *account.times) if str(number) in said] == []
    assert text.replace("\n", "").isprintable()
    assert found["answers"].keys() == {question.name for question in QUESTIONS}
    texts = {leaf for leaf in leaves(found) if isinstance(leaf, str)} - ALLOWED - {found["version"]}
    assert {part for text in texts for part in text.split(".")} <= {*NAMES, *WORDS, "*", ""}, texts


def test_only_what_is_declared_is_let_through() -> None:
    """Whatever a question answers: its own choices, counts by their known names, and names that look like fields."""
    question = Question("kind", "A kind", ("yes", "no"), lambda _: {})
    answer = ProbeAnswer(
        "Иван",
        seen={"rows": 31_450_001.0, "+79161234567": 1, "yes": float("nan"), "middle": 1.25},
        names={"ai_score": 7, "custom_field_123": 8, "Иван": 9, "a" * 41: 9, "_embedded.source.kind": 10},
    )
    found = redaction.document(
        [question],
        {"kind": {ACCOUNT: answer, "example.amocrm.ru": answer, "leads": ProbeAnswer(10**12, likely=True)}},
        {},
        version="1.2.3\nIvan",
        brand="example.amocrm.ru",
        requests=12,
    )
    assert found == {
        "format": 1,
        "version": "",
        "brand": "",
        "requests": 12,
        "answers": {
            "kind": {
                "account": {
                    "answer": None,
                    "seen": {"rows": 999_999, "yes": 0, "middle": 1.2},
                    "names": {"ai_score": 7, "_embedded.source.kind": 10},
                },
                "leads": {"answer": 999_999, "likely": True},
            }
        },
        "shapes": {},
    }


def test_a_question_that_is_stopped_leaves_the_others_their_reason() -> None:
    def fetch(path: str, params: Params, headers: Mapping[str, str]) -> Reply:  # noqa: ARG001
        raise AmocrmError("amoCRM is gone.")

    probe = Probe(Asking(fetch, lambda: 0), "amocrm")
    probe.run()
    assert str(probe.stopped) == "amoCRM is gone."
    assert probe.found()["answers"]["filter_flag"] == {ACCOUNT: {"answer": None, "why": Why.FAILED.value}}
