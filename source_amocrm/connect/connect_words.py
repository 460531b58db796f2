"""The texts and problems that a page or the terminal shows, in a person's language: words/en.json, words/ru.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from source_amocrm import errors
from source_amocrm.errors import AmocrmError
from source_amocrm.streams import schema

LANGUAGE_NAMES = {"en": "English", "ru": "Русский"}
LANGUAGES = tuple(LANGUAGE_NAMES)


@dataclass(eq=False)
class Problem(Exception):
    """A failure that `words["problem." + key]` explains.

    `params` fill its gaps, `detail` is amoCRM's own answer for the curious, `at` the form field to correct. None of
    them ever holds a secret.
    """

    key: str
    params: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""
    at: str = ""


_PROBLEMS: Mapping[str | type, str] = {
    "the code is used": "code_used",
    "the code has expired": "code_expired",
    "not this integration's": "not_issued",
    "an unknown integration": "unknown_integration",
    "another redirect URI": "other_redirect_uri",
    "the IP address is not on the account's list": "ip_refused",
    errors.Unauthorized: "token_rejected",
    errors.Unpaid: "unpaid",
    errors.Forbidden: "no_rights",
    errors.Blocked: "blocked",
    errors.NotFound: "no_account",
    errors.Moved: "no_account",
    errors.Throttled: "throttled",
    errors.Unavailable: "unreachable",
}
"""The key of a Problem, by the meaning of a refusal or by the class of an error."""


def of_kind(error: AmocrmError, keys: Mapping[Any, str], otherwise: str) -> str:
    """Returns the key for the error's meaning, its class, or the nearest of its base classes."""
    return next((keys[kind] for kind in (error.meaning, *type(error).__mro__) if kind in keys), otherwise)


def problem_of(error: AmocrmError, host: str) -> Problem:
    """Returns the Problem of a failed request to `host`."""
    return Problem(of_kind(error, _PROBLEMS, "unexpected"), {"host": host}, detail=str(error))


class Texts:
    def __init__(self, language: str) -> None:
        self.language = language
        file = resources.files("source_amocrm.connect") / "words" / f"{language}.json"
        self._texts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))

    def __call__(self, key: str, **params: object) -> str:
        """Returns the sentence with its gaps filled; plain text."""
        return str(self._texts[key]).format(**params)

    def raw(self, key: str) -> Any:
        """Returns the sentence, or the list of sentences, with its gaps open."""
        return self._texts[key]

    def table(self, stream: str) -> str:
        """Returns the name of a table in a list of tables."""
        return schema.russian(stream) if self.language == "ru" else stream

    def tables(self, streams: tuple[str, ...]) -> str:
        """Returns tables for a sentence: their names in this language, and in Airbyte where the two differ."""
        return ", ".join(f"{self.table(one)} ({one})" if self.language == "ru" else one for one in streams)

    def problem(self, problem: Problem) -> str:
        return self(f"problem.{problem.key}", **problem.params)


def preferred(header: str | None) -> str:
    """Returns which of LANGUAGES an Accept-Language header or a locale prefers; English if it names none of them."""
    wishes: list[tuple[float, str]] = []
    for wish in (header or "").split(","):
        name, _, quality = wish.partition(";q=")
        try:
            wishes.append((-float(quality or 1), name.strip().lower()[:2]))
        except ValueError:
            continue
    return next((name for _, name in sorted(wishes, key=lambda wish: wish[0]) if name in LANGUAGES), LANGUAGES[0])
