"""`make docs`: every module with the first sentence of its docstring, in the README of both languages."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "source_amocrm"
PAGES = (ROOT / "README.md", ROOT / "README.ru.md")
BEGIN, END = "<!-- modules -->\n", "<!-- /modules -->\n"


def pages() -> dict[Path, str]:
    """The READMEs as they should be."""
    block = f"\n```text\n{tree()}```\n\n"
    made = {}
    for path in PAGES:
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        made[path] = f"{before}{BEGIN}{block}{END}{rest.partition(END)[2]}"
    return made


def tree() -> str:
    """A line a module, those of a package below its name."""
    return "".join(f"{line}\n" for line in ("source_amocrm/", *_lines(PACKAGE, "  ")))


def _lines(folder: Path, indent: str) -> list[str]:
    files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    width = max(len(path.name) for path in files) + 1
    lines = [f"{indent}{path.name:{width}}{_about(path)}" for path in files]
    for inner in sorted(path.parent for path in folder.glob("*/__init__.py")):
        lines += [f"{indent}{inner.name}/", *_lines(inner, f"{indent}  ")]
    return lines


def _about(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.partition("\n\n")[0].split())
    return first.partition(". ")[0].partition(": ")[0].rstrip(".")


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
