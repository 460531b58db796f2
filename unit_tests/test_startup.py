"""The quick start changes when the CDK's parts are imported, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).with_name("source-amocrm")
HASTEN = "from source_amocrm.startup import hasten; hasten(); "


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_names_of_the_package_are_there_when_they_are_wanted() -> None:
    assert python(HASTEN + "import airbyte_cdk; print(airbyte_cdk.ConcurrentSource.__name__)") == "ConcurrentSource"
    assert python(HASTEN + "from airbyte_cdk import HttpStream as H; print(H.__name__)") == "HttpStream"
    assert python(HASTEN + "import airbyte_cdk; print(hasattr(airbyte_cdk, 'no_such_name'))") == "False"


def test_submodules_are_imported_alone() -> None:
    code = "import sys, airbyte_cdk.models; print('airbyte_cdk.destinations' in sys.modules)"
    assert python(HASTEN + code) == "False"
    assert python(code) == "True"


def test_an_imported_cdk_is_left_alone() -> None:
    code = "import airbyte_cdk as before; " + HASTEN + "import sys; print(sys.modules['airbyte_cdk'] is before)"
    assert python(code) == "True"


def test_spec_imports_no_part_of_the_low_code_cdk() -> None:
    code = (
        HASTEN + "import sys; from source_amocrm.entrypoint import launch; launch(['spec']); "
        "print([name for name in sys.modules if '.declarative' in name])"
    )
    *lines, parts = python(code).splitlines()
    assert parts == "[]"
    assert json.loads(lines[-1])["type"] == "SPEC"
