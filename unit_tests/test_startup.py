"""The quick start changes when the CDK's parts are imported, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).with_name("source-amocrm")
HASTEN = "from source_amocrm.airbyte.quick_start import hasten; hasten(); "


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


def test_the_concurrent_source_imports_no_low_code() -> None:
    """It asks of streams whether they are of that kind, and of ours that is not to be asked for half a second."""
    processor = "airbyte_cdk.sources.concurrent_source.concurrent_read_processor"
    code = f"import sys, {processor} as it; print(isinstance(3, it.GroupingPartitionRouter), 'jinja2' in sys.modules)"
    assert python(HASTEN + code) == "False False"
    assert python(code) == "False True"


def test_what_is_not_imported_cannot_be_made() -> None:
    code = (
        "from airbyte_cdk.sources.declarative.partition_routers import ListPartitionRouter\n"
        "try: ListPartitionRouter()\n"
        "except ImportError as error: print(error)"
    )
    said = "airbyte_cdk.sources.declarative.partition_routers is not imported by the commands of source-amocrm"
    assert python(HASTEN + "\n" + code) == said


def test_who_wants_all_of_the_cdk_gets_the_low_code_half_too() -> None:
    code = (
        "import airbyte_cdk.sources.concurrent_source.concurrent_source, airbyte_cdk; "
        "print(airbyte_cdk.YamlDeclarativeSource.__mro__[-2].__module__)"
    )
    assert python(HASTEN + code) == python(code)


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
