"""The module that the fork server of `forked` imports: it imports the slow packages and parses the models once."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

BEFORE = frozenset(os.environ)
"""The environment variables before the imports. Variables that imports set are kept in the forks."""
MODULES = (
    "source_amocrm.source", "source_amocrm.connect.connect_command", "amocrm_warehouse.models_command",
    "amocrm_warehouse.publish.mariadb_warehouse", "amocrm_warehouse.publish.parquet_lake",
    "amocrm_warehouse.publish.postgres_warehouse", "amocrm_warehouse.publish.publish_command",
    "amocrm_warehouse.report.report_command",
    "amocrm_warehouse.sync.connector", "amocrm_warehouse.sync.duckdb_destination", "amocrm_warehouse.sync.loader",
    "amocrm_warehouse.sync.postgres_destination", "amocrm_warehouse.sync.sync_command",
    "duckdb", "dbt.adapters.duckdb", "dbt.adapters.postgres",
)  # fmt: skip

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy would start threads, which a fork does not inherit
for name in MODULES:
    import_module(name)

with TemporaryDirectory(prefix="amocrm-models-parsed-") as folder:
    # parsing makes dbt import its remaining modules; its static parser would start threads
    command = ["--quiet", "--no-static-parser", "--log-level-file", "none", "--log-path", folder, "parse"]
    package = str(import_module("amocrm_warehouse.models_command").PACKAGE)
    dbt: Any = import_module("dbt.cli.main")
    with patch.dict(os.environ, AMOCRM_TARGET=folder, DBT_SEND_ANONYMOUS_USAGE_STATS="false"):
        dbt.dbtRunner().invoke([*command, "--project-dir", package, "--profiles-dir", package])

# without freeze, a garbage collection in a fork would copy the memory of all these modules
gc.collect()
gc.freeze()
