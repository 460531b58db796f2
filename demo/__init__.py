"""Reading an amoCRM account into a database of one's own, through PyAirbyte and the connector's command.

Runs in .venv-pyairbyte (`make demo`, `make sync`); the connector itself is run from .venv, as a process.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path

HOME = Path(__file__).resolve().parent
STATE = HOME / "state"

# PyAirbyte reads these when it is imported: no registry, no telemetry, no progress view but ours, logs in our folder.
os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("NO_LIVE_PROGRESS", "1")
os.environ.setdefault("AIRBYTE_LOGGING_ROOT", str(STATE / "logs"))
# another place for the config than our private folder, to which nobody else has access
os.environ.pop("AIRBYTE_TEMP_DIR", None)
# a line that PyAirbyte does not understand goes into its logs, whatever is in it
with contextlib.suppress(OSError):
    STATE.mkdir(exist_ok=True)
    STATE.chmod(0o700)

# of Google's libraries, about Pythons of the year after next
warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\..*")
