"""`python -m demo.fleet_loader`: PyAirbyte and the connector imported once, and forked for each account of a fleet.

Standard input is the socket by which `amocrm_fleet.syncing` asks for a sync; a sync asks for the connector by
the same server, so that nothing is imported twice. No account's secret is ever in this process: each is read by the
process that was forked for it.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
from typing import NoReturn

from amocrm_fleet.fork_server import serve
from demo import sync
from demo.quick_import import quick_import

IMPORTED = ("demo.tables", "demo.forked_connector", "source_amocrm.entrypoint", "source_amocrm.auth.keeping")
"""What a sync and a connector import when they run, and with it all that takes long."""

# numpy starts threads when it is imported, which would not be there after a fork
os.environ["OPENBLAS_NUM_THREADS"] = "1"


def main() -> None:
    control = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    with quick_import():
        for name in IMPORTED:
            importlib.import_module(name)
    serve(control, {"sync": sync.main, "connector": connector})


def connector(arguments: list[str]) -> NoReturn:
    from source_amocrm.run import run

    sys.argv[1:] = arguments
    run()
    raise AssertionError("the connector ends its process itself")


if __name__ == "__main__":
    main()
