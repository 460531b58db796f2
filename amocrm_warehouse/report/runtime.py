"""Vega-Lite with all it needs, as one script: from vl-convert's package, without a network."""

from __future__ import annotations

import os
from importlib.metadata import version
from tempfile import NamedTemporaryFile

from amocrm_warehouse.place import own_folder


def vega() -> str:
    """The script, which defines `vegaEmbed`. Bundling takes seconds, so it is kept by the package's version."""
    folder = own_folder("report")
    kept = folder / f"vega-{version('vl-convert-python')}.js"
    if kept.exists():
        return kept.read_text(encoding="utf-8")
    import vl_convert  # a large library, which is seldom needed

    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    with NamedTemporaryFile("w", dir=folder, encoding="utf-8", newline="\n", delete=False) as file:
        file.write(script)
    os.replace(file.name, kept)
    return script
