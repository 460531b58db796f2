"""`make docs`: writes docs/assurance.md from docs/assurance.yaml: each promise, its evidence and its tests."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "docs" / "assurance.yaml"
PAGE = ROOT / "docs" / "assurance.md"
RESTS = {
    "document": "what amoCRM documents, or its own library does",
    "recording": "recorded answers of real accounts",
    "sandbox": "an account on this machine that answers as documents and recordings do, both ways where they differ",
    "reasoning": "an argument that holds whatever amoCRM does",
}

HEAD = """\
# What is promised, and what that rests on

`make docs` writes this page from `docs/assurance.yaml`; do not edit it by hand. The tests fail for a promise of the
pages that has no line here.

Nobody who wrote this connector has read a live account of amoCRM with it. Its promises rest on:
"""
TAIL = """\

“Assumed” is what nobody has seen. An account can answer much of it: `source-amocrm probe` asks
([probe.md](probe.md)). “Seen by verify” is whether `source-amocrm verify` would show on an account that the promise
does not hold there ([verify.md](verify.md)).
"""


def load() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return document


def pages() -> dict[Path, str]:
    promises = load()["promises"]
    counted = Counter(rest for promise in promises for rest in promise["rests"])
    alone = sum(promise["rests"] == ["sandbox"] for promise in promises)
    assumed = sum("assumed" in promise for promise in promises)
    lines = [HEAD, *(f"- **{rest}** ({counted[rest]} of {len(promises)}): {what}" for rest, what in RESTS.items())]
    lines.append(f"\n{alone} promises rest on the sandbox alone; {assumed} assume something.")
    lines.append(TAIL)
    for page in dict.fromkeys(promise["page"] for promise in promises):
        link = page.removeprefix("docs/") if page.startswith("docs/") else f"../{page}"
        lines += [
            f"## [{page}]({link})\n",
            "| promised | rests on | assumed | seen by verify | tested by |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [_line(promise) for promise in promises if promise["page"] == page] + [""]
    return {PAGE: "\n".join(lines)}


def _line(promise: dict[str, Any]) -> str:
    rests = ", ".join(promise["rests"]) + (f" ({promise['reference']})" if "reference" in promise else "")
    probe = f" Asked by the probe: {promise['probe']}." if "probe" in promise else ""
    assumed = promise.get("assumed", "–") + ("." if probe and "assumed" in promise else "") + probe
    tests = "<br>".join(f"`{test.partition('::')[2]}` in {test.partition('::')[0]}" for test in promise["tests"])
    cells = (promise["says"].strip("| ").replace(" | ", ": "), rests, assumed, promise["verify"], tests)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
