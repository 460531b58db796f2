"""The workflow of CI takes nothing on trust: what it runs is pinned, and it is allowed what it needs and no more."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from .guides import ROOT

TEXT = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_there_is_one_workflow() -> None:
    assert [path.name for path in (ROOT / ".github" / "workflows").iterdir()] == ["ci.yml"]


def test_actions_are_pinned_by_the_commit_of_a_release() -> None:
    used = re.findall(r"uses: (.*)$", TEXT, re.MULTILINE)
    assert len(used) == len([step for step in STEPS if "uses" in step]) > 0
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_one_action_is_of_one_release() -> None:
    pins = {tuple(step["uses"].split("@")) for step in STEPS if "uses" in step}
    assert len(pins) == len({name for name, _ in pins})


def test_no_checkout_leaves_its_token_behind() -> None:
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(WORKFLOW["jobs"])
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}


def test_each_job_may_read_the_code_and_only_publishing_may_write_packages() -> None:
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in WORKFLOW["jobs"].items()} == {
        "test": {"contents": "read"},
        "audit": {"contents": "read"},
        "publish": {"contents": "read", "packages": "write"},
    }


def test_no_run_takes_in_what_others_may_write() -> None:
    for step in STEPS:
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("tool", ["pip-audit", "uv"])
def test_the_tools_that_audit_and_lock_are_pinned_by_hash(tool: str) -> None:
    wanted, locked = ((ROOT / "requirements" / f"tools.{kind}").read_text(encoding="utf-8") for kind in ("in", "lock"))
    [version] = re.findall(rf"^{tool}==(\S+)$", wanted, re.MULTILINE)
    assert re.search(rf"^{tool}=={re.escape(version)} \\\n    --hash=sha256:", locked, re.MULTILINE)
    assert f".venv-tools/bin/{tool} " in MAKEFILE or f"COMPILE := {tool} " in MAKEFILE
    assert not re.search(r"pip install (?!.*--require-hashes)(?!.*--no-build-isolation)", MAKEFILE)


def test_newer_versions_are_proposed() -> None:
    proposed = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    assert proposed["version"] == 2
    assert {update["package-ecosystem"] for update in proposed["updates"]} == {"pip", "docker", "github-actions"}
    for update in proposed["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            assert (ROOT / folder.strip("/")).is_dir(), folder
