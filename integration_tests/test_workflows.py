"""The workflow of CI takes nothing on trust: what it runs is pinned, and it is allowed what it needs and no more."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from testing.guides import ROOT

TEXT = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
MAKEFILE, DOCKERFILE = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "Dockerfile"))
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


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


def test_each_job_may_read_the_code_and_only_publishing_may_write() -> None:
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in WORKFLOW["jobs"].items()} == {
        "test": {"contents": "read"},
        "pythons": {"contents": "read"},
        "audit": {"contents": "read"},
        "pypi": {"contents": "read", "id-token": "write"},
        "images": {"contents": "read", "packages": "write"},
    }


def test_no_run_takes_in_what_others_may_write() -> None:
    for step in STEPS:
        assert "${{" not in step.get("run", "")


def test_what_installs_is_pinned_by_hash() -> None:
    lines = (MAKEFILE + DOCKERFILE).replace("\\\n", " ").splitlines()
    installs = [line for line in lines if re.match(r"(@|\s|RUN).*pip.* install ", line)]
    assert len(installs) == 8
    for line in installs:
        for command in re.findall(r"pip(?: --python \S+)? install[^&|]*", line):
            assert "--require-hashes" in command or "--no-build-isolation" in command, command
    pinned = (ROOT / ".ci" / "uv.txt").read_text(encoding="utf-8")
    assert re.fullmatch(r"uv==[\d.]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", pinned)


def test_the_fast_tests_run_on_each_python_that_the_package_is_for() -> None:
    [run] = [step["run"] for step in WORKFLOW["jobs"]["pythons"]["steps"] if "run" in step]
    assert run == "make fast PYTHON=python"
    assert WORKFLOW["jobs"]["pythons"]["strategy"]["matrix"]["python"] == PYTHONS


def test_every_page_names_the_same_range_of_pythons() -> None:
    first, last = PYTHONS[0], PYTHONS[-1]
    after = f"{last.split('.')[0]}.{int(last.split('.')[1]) + 1}"
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={first},<{after}"' in pyproject
    assert re.findall(r"Python :: (3\.\d+)", pyproject) == PYTHONS
    assert sorted(re.findall(r"python(3\.\d+)", MAKEFILE.partition("PYTHON ?=")[2].partition("\n")[0])) == PYTHONS
    assert re.findall(r"Python (3\.\d+) to (3\.\d+)", (ROOT / "README.md").read_text(encoding="utf-8")) == [
        (first, last), (first, last),
    ]  # fmt: skip
    assert re.findall(r"Python (3\.\d+)–(3\.\d+)", (ROOT / "README.ru.md").read_text(encoding="utf-8")) == [
        (first, last), (first, last),
    ]  # fmt: skip


def test_a_tag_publishes_the_wheel_and_an_image_of_each_target() -> None:
    jobs = WORKFLOW["jobs"]
    for name in ("pypi", "images"):
        assert jobs[name]["if"] == "startsWith(github.ref, 'refs/tags/v')"
        assert jobs[name]["needs"] == ["test", "pythons", "audit"]
    commands = [step["run"] for step in jobs["pypi"]["steps"] if "run" in step]
    assert commands[-2:] == ["make dist PYTHON=python", ".venv/bin/uv publish --trusted-publishing always"]
    targets = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
    published = [image["target"] for image in jobs["images"]["strategy"]["matrix"]["include"]]
    assert published == [target for target in targets if not target.startswith("build")]


def test_what_is_published_names_the_repository(tmp_path: Path) -> None:
    for name in (".ci/name-repository", "README.md", "metadata.yaml", "pyproject.toml", "source_amocrm/spec.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run([tmp_path / ".ci" / "name-repository", "https://github.com/someone/amo", "v0.1.0"], check=True)
    readme, metadata, pyproject, spec = (
        (tmp_path / name).read_text(encoding="utf-8")
        for name in ("README.md", "metadata.yaml", "pyproject.toml", "source_amocrm/spec.yaml")
    )
    before = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = "https://github.com/someone/amo/blob/v0.1.0"
    links = re.findall(r"\]\(([^)]+)\)", before)
    assert re.findall(r"\]\(([^)]+)\)", readme) == [
        f"{tree.replace('/blob/', '/raw/') if link.endswith('.png') else tree}/{link}" for link in links
    ]
    assert "\npip install 'source-amocrm[warehouse]'\n" in readme
    installed = re.findall(r"pip install '(\S+)'", readme)
    assert installed == ["source-amocrm[warehouse]", "source-amocrm[mcp]", "source-amocrm[fleet]"]
    assert (
        f'[project.urls]\nRepository = "https://github.com/someone/amo"\nDocumentation = "{tree}/README.md"\n'
        in pyproject
    )
    assert f"documentationUrl: {tree}/docs/amocrm.md\n" in spec
    assert yaml.safe_load(metadata)["data"]["documentationUrl"] == f"{tree}/docs/amocrm.md"
    assert yaml.safe_load(metadata)["data"]["erdUrl"] == f"{tree}/docs/relations.md"


def test_the_whole_check_needs_nothing_beside_the_repository_but_a_docker() -> None:
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"\.\./\S+", run.replace('"$(dirname "$0")/.."', "")) == ["../shared/tools}"]


def test_newer_versions_are_proposed() -> None:
    proposed = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    assert proposed["version"] == 2
    assert {update["package-ecosystem"] for update in proposed["updates"]} == {"uv", "pip", "docker", "github-actions"}
    for update in proposed["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            assert (ROOT / folder.strip("/")).is_dir(), folder
