"""Vega-Lite with all it needs, as one script: from vl-convert's package, without a network."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

KEPT = Path(__file__).resolve().parents[1] / "dbt" / "target"
"""Where dbt keeps what it has made, too: nothing there is of any worth."""


def vega() -> str:
    """The script, which defines `vegaEmbed`. Bundling takes seconds, so it is kept by the package's version."""
    kept = KEPT / f"vega-{version('vl-convert-python')}.js"
    if kept.exists():
        return kept.read_text(encoding="utf-8")
    import vl_convert  # a large library, which is seldom needed

    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    KEPT.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=KEPT, encoding="utf-8", newline="\n", delete=False) as file:
        file.write(script)
    os.replace(file.name, kept)
    return script
