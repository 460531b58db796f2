"""`make docs`: writes docs/modules.md, every module with the first sentence of its docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("source_amocrm", "amocrm_warehouse", "amocrm_fleet", "amocrm_probe", "demo")
PAGE = ROOT / "docs" / "modules.md"
HEAD = "# Every module\n\n`make docs` writes this page; do not edit it by hand.\n"


def page() -> str:
    return f"{HEAD}\n```text\n{tree()}```\n"


def tree() -> str:
    """One line a module, below the name of its package."""
    return "".join(f"{line}\n" for package in PACKAGES for line in (f"{package}/", *_lines(ROOT / package, "  ")))


def _lines(folder: Path, indent: str) -> Iterator[str]:
    files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    width = max((len(path.name) for path in files), default=0) + 1
    for path in files:
        yield f"{indent}{path.name:{width}}{_about(path)}"
    for inner in sorted(path.parent for path in folder.glob("*/__init__.py")):
        yield f"{indent}{inner.name}/"
        yield from _lines(inner, f"{indent}  ")


def _about(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.partition("\n\n")[0].split())
    return first.partition(". ")[0].partition(": ")[0].rstrip(".")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
