"""The pages that a reader goes by, and the blocks of code in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("README*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
RUSSIAN = {path: path.with_suffix(".ru.md") for path in PAGES if path.with_suffix(".ru.md").exists()}
"""Each page that there is in Russian, too, and that one."""


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Those of the English pages: the Russian ones have the same."""
    fence = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    return [
        Block(path.name, language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE))
        for path in PAGES
        if path not in RUSSIAN.values()
        for indent, language, text in fence.findall(path.read_text(encoding="utf-8"))
        if language in languages or not languages
    ]


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def guide(name: str) -> str:
    return (ROOT / "docs" / "guides" / name).read_text(encoding="utf-8")
