"""Makes the report's file: the page with its data, words, charts and Vega-Lite inside."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.metrics import page_metrics
from amocrm_warehouse.report.page_constants import CONSTANTS
from amocrm_warehouse.report.page_data import EVERYTHING, Contents, read
from amocrm_warehouse.report.page_days import MOST_MONTHS
from amocrm_warehouse.report.report_words import Words, texts
from amocrm_warehouse.this_machine import own_folder
from source_amocrm import atomic_file

FOLDER = Path(__file__).resolve().parent
SCRIPTS = ("data.js", "sections.js", "view.js")
ZLIB_LEVEL = 7
"""Level 9 would take eight times as long, and the report would be shorter by 2 %."""
LIMIT = 3_000_000
"""The most bytes of a report; a longer one is made again with fewer months."""


def write(
    path: Path,
    run: Run,
    unread: list[str],
    unbuilt: Mapping[str, str] | None = None,
    contents: Contents = EVERYTHING,
) -> None:
    """Replaces the file as a whole.

    `unread`: sentences about tables that the last sync could not read. `unbuilt`: models that are missing, and why.
    """
    text = page(run, unread, unbuilt=unbuilt, contents=contents)
    try:
        atomic_file.write(path, text)  # for its owner alone, since customers' names may be in it
    except OSError as error:
        sentence = f"The report {path} cannot be written: {error.strerror}. Name another file: --out report.html."
        raise ValueError(sentence) from None


def page(
    run: Run,
    unread: list[str],
    limit: int = LIMIT,
    unbuilt: Mapping[str, str] | None = None,
    contents: Contents = EVERYTHING,
) -> str:
    """Returns the page with as many months as fit into the limit (bytes)."""
    months = MOST_MONTHS
    while True:
        text = render(read(run, months, unbuilt, contents) | {"unread": unread}, contents)
        if len(text.encode()) <= limit:
            return text
        if months == 1:
            raise ValueError(f"The report would be larger than {limit:,} bytes even with the last month alone.")
        months = max(months // 2, 1)


def render(data: dict[str, Any], contents: Contents = EVERYTHING) -> str:
    loader = FileSystemLoader(FOLDER)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Jinja's tojson escapes < > & ', so that no text of the account can end a script
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    own, charts = script("\n".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)), vega()
    return environment.get_template("page.html").render(
        title=", ".join([*data["tables"]["accounts"]["name"], *([contents.people] if contents.people else [])]),
        language=contents.language or "en",
        plain=contents.plain,
        data=compressed(by_line(data)),
        vega=compressed(charts),
        texts=texts(),
        metrics=page_metrics(),
        charts=json.loads((FOLDER / "charts.json").read_text(encoding="utf-8")),
        blocks=json.loads((FOLDER / "blocks.json").read_text(encoding="utf-8")),
        sections=json.loads((FOLDER / "sections.json").read_text(encoding="utf-8")),
        constants=CONSTANTS,
        words=Words(contents.language or "en"),
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        script=own,
        hashes=" ".join(f"'sha256-{sha256(text)}'" for text in (charts, own)),
    )


def by_line(data: dict[str, Any]) -> str:
    """Returns JSON: a line of everything but the tables, which it names, then a line for each table.

    data.js parses the line of a table when that table is needed.
    """
    tables: dict[str, Any] = data["tables"]
    parts = (data | {"tables": list(tables)}, *tables.values())
    return "\n".join(json.dumps(part, ensure_ascii=False, separators=(",", ":")) for part in parts)


def compressed(text: str) -> str:
    """Returns a text in the form that data.js unpacks, in which no text of the account can end a script."""
    return base64.b64encode(zlib.compress(text.encode(), ZLIB_LEVEL)).decode()


def script(text: str) -> str:
    """Escapes a script for a page, in which a `</script` would end it."""
    return re.sub("<(?=/script|!--)", r"\\x3c", text, flags=re.IGNORECASE).replace("\r", "\\r")


def sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def vega() -> str:
    """Returns a script that defines `vegaEmbed`: Vega-Lite and all that it needs, bundled without a network.

    Bundling takes seconds, so the script is cached for each version of the package.
    """
    folder = own_folder("report")
    cached = folder / f"vega-{version('vl-convert-python')}.js"
    if cached.exists():
        return cached.read_text(encoding="utf-8")
    import vl_convert  # a large library, seldom needed

    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    with NamedTemporaryFile("w", dir=folder, encoding="utf-8", newline="\n", delete=False) as file:
        file.write(script)
    os.replace(file.name, cached)
    return script
