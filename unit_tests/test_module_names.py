"""A stranger finds a place by its name: each name stands once, and CONTRIBUTING's table of places leads to files."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from source_amocrm.run import VERBS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("source_amocrm", "amocrm_warehouse", "amocrm_fleet", "amocrm_probe", "demo")


def test_each_name_of_a_module_stands_once() -> None:
    files = (path.name for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    assert [name for name, times in Counter(files).items() if times > 1 and name != "__init__.py"] == []


def test_a_command_line_is_named_by_its_verb() -> None:
    named = {verb: module.rpartition(".")[2] for verb, (module, *_) in VERBS.items() if verb != "mcp"}
    assert named == {verb: f"{verb}_command" for verb in named}


def test_each_place_that_decides_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("## Where things are decided")[2].partition("## ")[0]
    places = re.findall(r"^\| .+ \| `([^`]+)` \|$", table, re.M)
    assert len(places) == 22
    assert [place for place in places if not (ROOT / place).is_file()] == []
