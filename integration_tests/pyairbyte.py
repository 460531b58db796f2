"""PyAirbyte's environment, in which its guide is tried."""

from __future__ import annotations

from .warehouse import ROOT

PYTHON = ROOT / ".venv-pyairbyte" / "bin" / "python"
