"""The README names every module."""

from __future__ import annotations

import re
from pathlib import Path

from docs import modules


def test_the_pages_are_what_make_docs_writes() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in modules.PAGES} == {
        path.name: text for path, text in modules.pages().items()
    }


def test_every_module_stands_there_with_what_it_is() -> None:
    named = re.findall(r"^ +(\S+\.py) +\S", modules.tree(), re.MULTILINE)
    assert sorted(named) == sorted(
        path.name for path in Path(modules.PACKAGE).rglob("*.py") if path.name != "__init__.py"
    )
