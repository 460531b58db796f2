"""The pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .leaks import clean

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("README*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
RUSSIAN = {path: path.with_suffix(".ru.md") for path in PAGES if path.with_suffix(".ru.md").exists()}
"""The Russian page of each page that has one."""


def _read(path: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return document


DONE = _read("testing/guides.yaml")
"""What tests do with the blocks of each guide."""
PUBLISHED = _read("testing/published.yaml")
"""The packages, images and actions of others that the guides use."""
METADATA: dict[str, Any] = _read("metadata.yaml")["data"]
SPEC = _read("source_amocrm/spec.yaml")


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    text: str

    @property
    def begins(self) -> str:
        return self.text.partition("\n")[0]


def blocks(*languages: str) -> list[Block]:
    """Returns the blocks of the English pages. The Russian pages have the same."""
    fence = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    return [
        Block(path.name, language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE))
        for path in PAGES
        if path not in RUSSIAN.values()
        for indent, language, text in fence.findall(path.read_text(encoding="utf-8"))
        if language in languages or not languages
    ]


def block(page: str, begins: str) -> str:
    """Returns the block of a page that begins with `begins`."""
    [found] = [one.text for one in blocks() if one.page == page and one.text.startswith(begins)]
    return found


def typed(script: str, folder: Path, stdin: str = "", **environment: str) -> str:
    """Runs a shell script in a folder until a command fails, which fails the test. Returns its stdout."""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    clean(done.stderr)
    return clean(done.stdout)


def anchor(heading: str) -> str:
    """Returns the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def guide(name: str) -> str:
    return (ROOT / "docs" / "guides" / name).read_text(encoding="utf-8")
