"""docs/modules.md names every module."""

from __future__ import annotations

import re

from docs import modules


def test_the_page_is_what_make_docs_writes() -> None:
    assert modules.PAGE.read_text(encoding="utf-8") == modules.page()


def test_every_module_stands_there_with_what_it_is() -> None:
    named = re.findall(r"^ +(\S+\.py) +\S", modules.tree(), re.MULTILINE)
    paths = [path for package in modules.PACKAGES for path in (modules.ROOT / package).rglob("*.py")]
    assert sorted(named) == sorted(path.name for path in paths if path.name != "__init__.py")
