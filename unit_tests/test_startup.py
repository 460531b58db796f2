"""The quick start changes when the CDK's parts are imported, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("source-amocrm")
HASTEN = "from source_amocrm.airbyte.quick_start import hasten; hasten(); "


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


PROCESSOR = "airbyte_cdk.sources.concurrent_source.concurrent_read_processor"
ALL_OF_IT = (
    "import airbyte_cdk.sources.concurrent_source.concurrent_source, airbyte_cdk; "
    "print(airbyte_cdk.YamlDeclarativeSource.__mro__[-2].__module__)"
)


@pytest.fixture(scope="module")
def without() -> list[str]:
    """What is printed without the quick start, of which the last line tells that it came too late."""
    return python(
        "import sys, airbyte_cdk.models; print('airbyte_cdk.destinations' in sys.modules); "
        f"import {PROCESSOR} as it; print(isinstance(3, it.GroupingPartitionRouter), 'jinja2' in sys.modules); "
        f"{ALL_OF_IT}; before = airbyte_cdk; {HASTEN} print(sys.modules['airbyte_cdk'] is before)"
    ).splitlines()


def test_names_of_the_package_are_there_when_they_are_wanted() -> None:
    assert python(HASTEN + "import airbyte_cdk; print(airbyte_cdk.ConcurrentSource.__name__)") == "ConcurrentSource"
    assert python(HASTEN + "from airbyte_cdk import HttpStream as H; print(H.__name__)") == "HttpStream"
    assert python(HASTEN + "import airbyte_cdk; print(hasattr(airbyte_cdk, 'no_such_name'))") == "False"


def test_submodules_are_imported_alone(without: list[str]) -> None:
    code = "import sys, airbyte_cdk.models; print('airbyte_cdk.destinations' in sys.modules)"
    assert python(HASTEN + code) == "False"
    assert without[0] == "True"


def test_the_concurrent_source_imports_no_low_code(without: list[str]) -> None:
    """It asks of streams whether they are of that kind, and of ours that is not to be asked for half a second."""
    code = f"import sys, {PROCESSOR} as it; print(isinstance(3, it.GroupingPartitionRouter), 'jinja2' in sys.modules)"
    assert python(HASTEN + code) == "False False"
    assert without[1] == "False True"


def test_what_is_not_imported_cannot_be_made() -> None:
    code = (
        "from airbyte_cdk.sources.declarative.partition_routers import ListPartitionRouter\n"
        "try: ListPartitionRouter()\n"
        "except ImportError as error: print(error)"
    )
    said = "airbyte_cdk.sources.declarative.partition_routers is not imported by the commands of source-amocrm"
    assert python(HASTEN + "\n" + code) == said


def test_who_wants_all_of_the_cdk_gets_the_low_code_half_too(without: list[str]) -> None:
    assert python(HASTEN + ALL_OF_IT) == without[2]


def test_an_imported_cdk_is_left_alone(without: list[str]) -> None:
    assert without[3] == "True"


def test_spec_imports_no_part_of_the_low_code_cdk() -> None:
    code = (
        HASTEN + "import sys; from source_amocrm.entrypoint import launch; launch(['spec']); "
        "print([name for name in sys.modules if '.declarative' in name])"
    )
    *lines, parts = python(code).splitlines()
    assert parts == "[]"
    assert json.loads(lines[-1])["type"] == "SPEC"
