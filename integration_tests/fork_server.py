"""Imported by the server from which `forked` forks: it has all that takes long to import, and has parsed the models."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

BEFORE = frozenset(os.environ)
"""The variables that the server was given. Those that its imports set are its forks' as well."""
MODULES = (
    "source_amocrm.source", "source_amocrm.connect.cli", "amocrm_warehouse.models", "amocrm_warehouse.report.command",
    "amocrm_warehouse.sync.syncing", "amocrm_warehouse.sync.loader", "duckdb", "dbt.adapters.duckdb",
    "dbt.adapters.postgres",
)  # fmt: skip

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy would start threads, and a fork has none of them
for name in MODULES:
    import_module(name)

with TemporaryDirectory(prefix="amocrm-models-parsed-") as folder:
    # what dbt imports only then is there; its static parser would start threads
    command = ["--quiet", "--no-static-parser", "--log-level-file", "none", "--log-path", folder, "parse"]
    package = str(import_module("amocrm_warehouse.models").PACKAGE)
    dbt: Any = import_module("dbt.cli.main")
    with patch.dict(os.environ, AMOCRM_TARGET=folder, DBT_SEND_ANONYMOUS_USAGE_STATS="false"):
        dbt.dbtRunner().invoke([*command, "--project-dir", package, "--profiles-dir", package])

# a fork that looks for garbage would copy all of this
gc.collect()
gc.freeze()
