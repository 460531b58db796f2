"""A page that there is in Russian says there what it says in English: as many headings and tables, the same commands,
names, figures and links."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from testing.guides import ROOT, RUSSIAN, anchor

PAIRS = pytest.mark.parametrize("english", RUSSIAN, ids=lambda path: path.relative_to(ROOT).as_posix())
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
COMMENT = {"sql": r" *--.*", "json": r"(?!)"}
"""By the language of a block, what is no part of the command."""
ROW = re.compile(r"^ *\|(.*)\|$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    return FENCE.sub("", text(page))


def headings(page: Path) -> list[tuple[int, str]]:
    return [(len(marks), title) for marks, title in re.findall(r"^(#+) (.*)$", prose(page), re.MULTILINE)]


def rows(page: Path) -> list[list[str]]:
    return [re.split(r"(?<!\\)\|", line) for line in ROW.findall(prose(page))]


def test_there_are_such_pages() -> None:
    guides = {path for path in (ROOT / "docs" / "guides").glob("*.md") if not path.name.endswith(".ru.md")}
    guides -= {ROOT / "docs" / "guides" / "airbyte-registry.md"}  # for who contributes to Airbyte, in English
    assert guides
    assert {ROOT / "README.md", ROOT / "docs" / "amocrm.md", ROOT / "docs" / "connect.md", *guides} <= set(RUSSIAN)


def test_each_page_without_a_twin_is_in_both_languages_or_for_those_who_change_the_code() -> None:
    both = {"data-dictionary.md", "formulas.md", "models.md", "relations.md"}
    english = {"architecture.md", "assurance.md", "benchmarks.md", "one-deal.md", "state.md"}
    english |= {"airbyte-registry.md"}
    pages = {path for path in (ROOT / "docs").rglob("*.md") if not path.name.endswith(".ru.md")}
    assert {path.name for path in pages - set(RUSSIAN)} == both | english


@PAIRS
def test_headings_are_as_many_and_as_deep(english: Path) -> None:
    assert [depth for depth, _ in headings(RUSSIAN[english])] == [depth for depth, _ in headings(english)]


@PAIRS
def test_tables_have_the_same_cells_and_figures(english: Path) -> None:
    """A comma or a point in a figure, a space between its thousands and the words around it are the language's own."""
    figures = [[re.sub(r"\D", "", cell) for cell in row] for row in rows(english)]
    assert [[re.sub(r"\D", "", cell) for cell in row] for row in rows(RUSSIAN[english])] == figures


@PAIRS
def test_commands_are_the_same_up_to_their_comments(english: Path) -> None:
    assert commands(RUSSIAN[english]) == commands(english)


def commands(page: Path) -> list[tuple[str, str]]:
    return [(language, command(language, block)) for _, language, block in FENCE.findall(text(page))]


def command(language: str, block: str) -> str:
    if block.startswith("source_amocrm/"):  # a tree of files: what is said of them is prose
        return "\n".join(sorted(re.findall(r"[\w./]+(?:\.py|\.yaml|/)(?![\w.])", block)))
    return re.sub(COMMENT.get(language, r"(?:^|(?<= )) *#.*"), "", block, flags=re.MULTILINE)


@PAIRS
def test_names_and_links_are_the_same_in_each_section(english: Path) -> None:
    ours, theirs = sections(RUSSIAN[english]), sections(english)
    assert {title: [part for part in parts if part] for title, parts in differences(theirs, ours).items()} == {}


def differences(
    theirs: list[tuple[str, Counter[str]]], ours: list[tuple[str, Counter[str]]]
) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """By the heading of a section, what it has in English alone and what in Russian alone."""
    pairs = zip(theirs, ours, strict=True)
    return {title: (here - there, there - here) for (title, here), (_, there) in pairs if here != there}


def sections(page: Path) -> list[tuple[str, Counter[str]]]:
    """The names in it, and what it links to as the English page of that has it; by heading."""
    parts = re.split(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    found = zip(parts[1::2], parts[2::2], strict=True)
    return [(title, Counter([*re.findall(r"`[^`]+`", part), *links(page, part)])) for title, part in found]


def links(page: Path, part: str) -> list[str]:
    return [link(page, target, place) for target, place in LINK.findall(part)]


def link(page: Path, target: str, place: str) -> str:
    """The heading by its number: its words are the language's own."""
    if "://" in target:
        return target
    path = Path(os.path.normpath(page.parent / target)) if target else page
    titles = [anchor(title) for _, title in headings(path)] if place else []
    where = titles.index(place) if place in titles else place
    told = path.relative_to(ROOT).as_posix()
    return f"{re.sub(r'-(?:en|ru)[.]png$', '.png', told.replace('.ru.md', '.md'))}#{where}"


@PAIRS
def test_each_leads_to_the_other_at_its_top_and_else_to_pages_of_its_own_language(english: Path) -> None:
    russian = RUSSIAN[english]
    assert text(english).split("\n\n")[1] == f"[По-русски]({russian.name})"
    assert text(russian).split("\n\n")[1] == f"[In English]({english.name})"
    for page, others in (english, set(RUSSIAN.values()) - {russian}), (russian, set(RUSSIAN) - {english}):
        led = {Path(os.path.normpath(page.parent / target)) for target, _ in LINK.findall(prose(page)) if target}
        assert led & others == set()
