"""English and Russian say the same things, and something is said of everything."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from string import Formatter

import pytest

import source_amocrm.connect
from source_amocrm import errors
from source_amocrm.connect.connect_words import LANGUAGES, Problem, Texts, preferred, problem_of
from source_amocrm.http.refusals import API, CODE
from source_amocrm.streams import STREAMS

HERE = Path(source_amocrm.connect.__file__).parent
TEXTS = {name: json.loads((HERE / "words" / f"{name}.json").read_text(encoding="utf-8")) for name in LANGUAGES}


def gaps(text: str | list[str]) -> list[set[str]]:
    texts = [text] if isinstance(text, str) else text
    return [{name for _, name, _, _ in Formatter().parse(one) if name} for one in texts]


def test_both_languages_have_the_same_words_and_gaps() -> None:
    assert list(TEXTS["ru"]) == list(TEXTS["en"])
    different = [key for key, text in TEXTS["en"].items() if gaps(TEXTS["ru"][key]) != gaps(text)]
    assert different == []


def test_russian_is_russian() -> None:
    # the fields of Airbyte's form keep the names that Airbyte shows
    plain = [key for key, text in TEXTS["ru"].items() if text and not re.search("[а-яё]", str(text), re.IGNORECASE)]
    assert [key for key in plain if not key.startswith(("field.", "way.", "integration.client"))] == []


def raised() -> set[str]:
    """Every key that the code gives to a Problem, and the names that stand for fields."""
    found: set[str] = {"client_id", "client_secret", "redirect_uri"}
    for file in (*HERE.glob("*.py"), *(HERE.parents[1] / "amocrm_fleet" / "invite").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                found |= {str(given.value) for given in node.args[:1] if isinstance(given, ast.Constant)}
    return found


def meaning(text: str) -> errors.AmocrmError:
    error = errors.AmocrmError("x")
    error.meaning = text
    return error


def test_every_problem_has_its_sentence_and_every_sentence_its_problem() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AmocrmError)]
    refusals = [*(kind("x") for kind in kinds), *(meaning(rule.meaning) for rule in (*API, *CODE))]
    of_errors = {problem_of(error, "example.amocrm.ru").key for error in refusals}
    said = {key.removeprefix("problem.") for key in TEXTS["en"] if key.startswith("problem.")}
    assert said == raised() | of_errors | {"refused", "consent_failed"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", [key for key in TEXTS["en"] if key.startswith("problem.")])
def test_a_problem_says_what_happened_and_the_next_step(language: str, key: str) -> None:
    text: str = TEXTS[language][key]
    if key != "problem.file_exists":  # a question follows
        assert len(re.split(r"(?<=[.:;,])\s", text)) > 1
    assert text.endswith(".")
    assert len(text) < 200


def test_every_table_has_its_russian_name() -> None:
    assert all(re.search("[а-яё]", Texts("ru").table(stream)) for stream in STREAMS)
    assert [Texts("en").table(stream) for stream in STREAMS] == list(STREAMS)
    streams = ("users", "files")
    assert Texts("en").tables(streams) == "users, files"
    assert Texts("ru").tables(streams) == "Пользователи (users), Файлы (files)"


def test_every_reason_of_a_refused_table_is_told() -> None:
    assert {key for key in TEXTS["en"] if key.startswith("refused.")} == {
        f"refused.{why}" for why in ("no_rights", "not_granted", "off", "unknown", "unpaid")
    }


def test_a_problem_in_words() -> None:
    problem = Problem("other_account", {"granted": "b.amocrm.ru", "domain": "a.amocrm.ru"})
    assert Texts("ru").problem(problem) == (
        "Доступ предоставлен в b.amocrm.ru, а здесь выбран a.amocrm.ru. Предоставьте его ещё раз в a.amocrm.ru или "
        "выберите аккаунт b.amocrm.ru."
    )


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8", "ru"),
        ("de,ru;q=0.5,en;q=0.7", "en"),
        ("de, ru;q=0.5", "ru"),
        ("*", "en"),
        ("ru;q=x, en", "en"),
        ("ru_RU.UTF-8", "ru"),
        ("C.UTF-8", "en"),
    ],
)
def test_the_language_that_is_liked_best(header: str | None, language: str) -> None:
    assert preferred(header) == language
