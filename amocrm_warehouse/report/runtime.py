"""Bundles Vega-Lite and all that it needs as one script, from vl-convert's package and without a network."""

from __future__ import annotations

import os
from importlib.metadata import version
from tempfile import NamedTemporaryFile

from amocrm_warehouse.home import own_folder


def vega() -> str:
    """Returns a script that defines `vegaEmbed`, cached for each version of the package: bundling takes seconds."""
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
