"""`python -m benchmarks`: the figures, as ratios to the floor, on this machine."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from .line import Workspace
from .scenarios import SCENARIOS


def machine() -> str:
    """Describes this machine: processor, cores, system and Python."""
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def main(argv: list[str] | None = None) -> int:
    """Runs the scenarios one by one. Returns the exit code: 0 when every limit was kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller accounts, a minute instead of half an hour")
    parser.add_argument("--keep", type=Path, help="the folder to keep accounts and outputs in")
    parser.add_argument("only", nargs="*", choices=[*SCENARIOS, []], help="these scenarios (default: all)")
    options = parser.parse_args(argv)
    print(f"On {machine()}\n", flush=True)
    held = True
    with tempfile.TemporaryDirectory(prefix="amocrm-bench-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        for name in options.only or SCENARIOS:
            for line in SCENARIOS[name](Workspace(folder), options.quick):
                figures = "   ".join(f"{figure}: {value}" for figure, value in line.figures.items())
                print(f"{'ok  ' if line.held else 'MISS'}  {line.name}\n      {figures}", flush=True)
                held &= line.held
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
