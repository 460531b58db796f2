"""The link from an answer to the page's section with the same choice, whose address holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from amocrm_warehouse.report.choice import Choice

SECTIONS = Path(__file__).resolve().parents[1] / "report" / "sections.json"


@cache
def open_sections() -> frozenset[str]:
    """Returns the sections that are open on the first visit."""
    return frozenset(one["id"] for one in json.loads(SECTIONS.read_text(encoding="utf-8")) if one.get("open"))


def page_link(report: str, section: str, choice: Choice, projects: Iterable[str], is_dated: bool) -> str:
    """Returns the address of a section of the page `report`. `projects`: all accounts of the database.

    The page chooses one pipeline and one person; of several the link leaves the choice out.
    """
    several = len([*projects]) > 1
    asked = {"at": section, **({} if section in open_sections() else {"folds": section})}
    if choice.pipelines and len(choice.pipelines) == 1:
        [(project, pipeline)] = choice.pipelines
        asked["scope"] = f"{project}/{pipeline}"
    elif several and len(choice.days) == 1:
        asked["scope"] = next(iter(choice.days))
    if choice.users and len(choice.users) == 1:
        [(project, user)] = choice.users
        asked["who"] = f"{project}/{user}"
    if choice.source:
        asked["where"] = json.dumps([["source", choice.source]], ensure_ascii=False)
    if is_dated:
        asked["period"] = f"{choice.since}..{choice.until}"
    return f"{report}#{urlencode(asked)}"
