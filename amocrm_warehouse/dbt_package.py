"""The dbt package in this distribution, and those of its macros whose rules and sentences Python needs before dbt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent / "dbt"


def macros(file: str, **names: Any) -> Any:
    """Returns the macros of a file that need no database, with what dbt gives to them; an error that they raise is a
    ValueError.
    """
    from jinja2 import Environment

    def refuse(sentence: str) -> None:
        raise ValueError(sentence)

    dbt = {
        "execute": True, "modules": {"re": re}, "return": lambda value: value,
        "exceptions": {"raise_compiler_error": refuse},
    }  # fmt: skip
    template = Environment(extensions=["jinja2.ext.do"]).from_string((PACKAGE / "macros" / file).read_text("utf-8"))
    return template.make_module(dbt | names)
