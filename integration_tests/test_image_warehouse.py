"""The image of the warehouse: its commands one after another, as Airflow and Kubernetes run them."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from sandbox import OFF, Account, Server
from testing.docker import docker_run
from testing.guides import block, typed

pytestmark = pytest.mark.image_tests
NAME = "source-amocrm-warehouse:dev"
"""As the guide calls the image."""
IMAGE = os.environ.get("WAREHOUSE_IMAGE", NAME)
"""As `make image-warehouse` names it; `make image-test` passes the name on."""


def test_an_account_is_synced_modelled_and_published_by_the_lines_of_the_guide(tmp_path: Path) -> None:
    """By a user who may write nowhere but in the mounted folder and in /tmp: root takes the image's own."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    lines = block("docker.md", 'docker run --rm --user "$(id -u)" -v "$PWD/secrets:/data" source-amocrm-warehouse:dev')
    lines = lines.replace(NAME, IMAGE).replace("docker run", f"{shutil.which('docker')} run --network host")
    with Server(Account.generate(leads=20), rate=OFF) as server:
        (folder / "config.json").write_text(json.dumps({**server.config(), "requests_per_second": 50}))
        (folder / "config.json").chmod(0o600)
        if os.getuid() == 0:
            lines = lines.replace('--user "$(id -u)" ', "")
            for path in (folder, folder / "config.json"):
                os.chown(path, 1000, 1000)
        said = typed(lines, tmp_path, PATH=os.environ["PATH"])
    assert re.search(r"^1001: [\d,]+ rows of \d+ tables are in file:///data/lake\.$", said, re.MULTILINE), said
    with closing(duckdb.connect(f"{folder}/crm.duckdb", read_only=True)) as built:
        [(count,)] = built.execute("SELECT count(*) FROM amocrm_marts.deals").fetchall()
    assert count >= 20
    assert parquet.read_metadata(folder / "lake/amocrm_marts/deals/project_id=1001/deals.parquet").num_rows == count


def test_it_has_every_verb_of_the_extra_and_every_driver_of_publish() -> None:
    program = (
        "import importlib, os, importlib.util as util, json\n"
        "for name in ('amocrm_warehouse.publish.clickhouse_warehouse', 'amocrm_warehouse.publish.mariadb_warehouse',"
        " 'amocrm_warehouse.report.report_command', 'amocrm_warehouse.verify.verify_command'):\n"
        "    importlib.import_module(name)\n"
        "print(json.dumps([os.getuid(), *(name for name in ('pip', 'setuptools', 'dagster', 'pytest', 'sandbox')"
        " if util.find_spec(name))]))"
    )
    said = docker_run(IMAGE, "-c", program, options=("--entrypoint", "/opt/amocrm/bin/python"))
    assert json.loads(said) == [1000]
