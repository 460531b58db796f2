"""The report's file: the page with its data, its words, its charts and Vega-Lite inside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from amocrm_warehouse.report.data import EVERYTHING, MONTHS, Asked, Run, read
from amocrm_warehouse.report.metrics import for_the_page
from amocrm_warehouse.report.runtime import vega
from amocrm_warehouse.report.words import texts
from source_amocrm import atomic_file

HOME = Path(__file__).resolve().parent
SCRIPTS = ("data.js", "sections.js", "view.js")
LIMIT = 2_000_000
"""The most bytes of a report."""


def write(
    path: Path,
    run: Run,
    unread: list[str],
    unbuilt: Mapping[str, str] | None = None,
    asked: Asked = EVERYTHING,
) -> None:
    """Replaces the file as a whole.

    `unread`: sentences about tables that the last sync could not read. `unbuilt`: models that are not there, and why.
    """
    text = page(run, unread, unbuilt=unbuilt, asked=asked)
    try:
        atomic_file.write(path, text)  # for its owner alone, since customers' names may be in it
    except OSError as error:
        told = f"The report {path} cannot be written: {error.strerror}. Name another file: OUT=report.html."
        raise ValueError(told) from None


def page(
    run: Run,
    unread: list[str],
    limit: int = LIMIT,
    unbuilt: Mapping[str, str] | None = None,
    asked: Asked = EVERYTHING,
) -> str:
    """As many months as have room within the limit."""
    months = MONTHS
    while True:
        text = render(read(run, months, unbuilt, asked) | {"unread": unread})
        if len(text.encode()) <= limit:
            return text
        if months == 1:
            raise ValueError(f"The report would be larger than {limit:,} bytes even with the last month alone.")
        months = max(months // 2, 1)


def render(data: dict[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(HOME), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Jinja's own filter writes < > & ' of what the account holds by their codes: nothing there ends a script
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    scripts = [script(vega()), script("\n".join((HOME / name).read_text(encoding="utf-8") for name in SCRIPTS))]
    accounts = data["tables"]["accounts"]
    names = [name or project for project, name in zip(accounts["project_id"], accounts["name"], strict=True)]
    return environment.get_template("page.html").render(
        title=", ".join(names),
        data=packed(data),
        texts=texts(),
        metrics=for_the_page(),
        charts=json.loads((HOME / "charts.json").read_text(encoding="utf-8")),
        style=(HOME / "page.css").read_text(encoding="utf-8"),
        scripts=scripts,
        hashes=" ".join(f"'sha256-{digest(text)}'" for text in scripts),
    )


def packed(data: dict[str, Any]) -> str:
    """As data.js unpacks it. Nothing that the account holds can end a script in it."""
    document = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(document, 9)).decode()


def script(text: str) -> str:
    """As it may stand within a page, which a `</script` of its own would end."""
    return re.sub("<(?=/script|!--)", r"\\x3c", text, flags=re.IGNORECASE).replace("\r", "\\r")


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
