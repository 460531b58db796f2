"""Every promise of the pages has its line in docs/assurance.yaml, every line its sentence, its tests and its mark."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import Any

import pytest

from docs.assurance import RESTS, ROOT, load, pages

KNOWN = {"page", "says", "rests", "tests", "assumed", "reference", "probe", "verify"}
LIVE = "No live account has been read by its authors"


def plain(text: str) -> str:
    return " ".join(text.split())


@cache
def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def items(section: dict[str, str]) -> list[str]:
    """Each item of the lists in a section, and each line of its tables below the head."""
    text = page(section["page"])
    assert section["after"] in text
    part = text.partition(section["after"])[2]
    assert section["before"] in part
    lines = part.partition(section["before"])[0].splitlines()
    found: list[str] = []
    table = 0
    for line in lines:
        table = table + 1 if line.startswith("|") else 0
        if line.startswith("- ") or table > 2:
            found.append(line)
        elif found and line.startswith("  "):
            found[-1] += f" {line.strip()}"
    return [plain(one) for one in found]


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


PROMISES: list[dict[str, Any]] = load()["promises"]
SECTIONS: list[dict[str, str]] = load()["sections"]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise["says"][:40])
def test_a_promise_stands_on_its_page_with_a_test_and_a_mark(promise: dict[str, Any]) -> None:
    assert promise.keys() <= KNOWN
    assert plain(promise["says"]) in plain(page(promise["page"]))
    assert re.match("(yes|in part): .|no$|no: .", promise["verify"])
    assert promise["rests"]
    assert set(promise["rests"]) <= RESTS.keys()
    assert promise["tests"]
    for test in promise["tests"]:
        path, _, name = test.partition("::")
        assert name in functions(path), test
    assert "reference" not in promise or re.match(r"§(A\.)?\d", promise["reference"])
    assert "probe" not in promise or f"| {promise['probe']} |" in page("docs/probe.md")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section["after"])
def test_nothing_is_promised_without_a_line(section: dict[str, str]) -> None:
    said = [plain(promise["says"]) for promise in PROMISES if promise["page"] == section["page"]]
    found = items(section)
    assert found
    assert [item for item in found if not any(one in item for one in said)] == []


def test_the_page_is_made_of_it() -> None:
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text, "make docs"


def test_readme_says_first_that_no_live_account_was_read() -> None:
    first = page("README.md").partition("## Try it")[0]
    assert LIVE in plain(first)
    assert "source-amocrm probe" in first
    assert "docs/assurance.md" in first
