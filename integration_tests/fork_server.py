"""Imported by the server of `forked`: dbt parses the models once, so that no process imports what it needs for that."""

from __future__ import annotations

import gc
import os
from tempfile import TemporaryDirectory
from unittest.mock import patch

from dbt.cli.main import dbtRunner

from amocrm_warehouse.models import PACKAGE

with TemporaryDirectory(prefix="amocrm-models-parsed-") as folder:
    places = {"AMOCRM_TARGET": folder, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    # the static parser would start threads, and a fork has none of them
    command = ["--quiet", "--no-static-parser", "--log-level-file", "none", "--log-path", folder, "parse"]
    with patch.dict(os.environ, places):
        dbtRunner().invoke([*command, "--project-dir", str(PACKAGE), "--profiles-dir", str(PACKAGE)])
# a fork that looks for garbage would copy all of this
gc.collect()
gc.freeze()
