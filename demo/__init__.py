"""`make demo`, from a checkout: an amoCRM account on this machine, with its tables and its report."""

from __future__ import annotations

from pathlib import Path

HOME = Path(__file__).resolve().parent
STATE = HOME / "state"
