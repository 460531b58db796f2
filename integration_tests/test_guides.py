"""What the docs tell a reader to type can be typed: blocks parse, configs are valid, names and links lead somewhere."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from source_amocrm.config import parse_config
from source_amocrm.streams import STREAMS
from testing.guides import DONE, METADATA, PAGES, PUBLISHED, ROOT, RUSSIAN, SPEC, Block, anchor, block, blocks, guide


def test_every_block_is_of_a_language_that_is_looked_at() -> None:
    assert {block.language for block in blocks()} == {"bash", "hcl", "json", "python", "sql", "text", "yaml"}


def test_every_guide_is_run() -> None:
    guides = {path for path in (ROOT / "docs" / "guides").glob("*.md") if path in RUSSIAN}
    assert set(DONE) == {path.relative_to(ROOT).as_posix() for path in guides | {ROOT / "docs" / "connect.md"}}


@pytest.mark.parametrize("page", DONE)
def test_every_block_of_a_guide_is_run_or_said_not_to_be(page: str) -> None:
    done = DONE[page]
    found = [one.begins for one in blocks() if one.page == Path(page).name]
    assert len(found) == len(done["blocks"])
    for begins, entry in zip(found, done["blocks"], strict=True):
        assert begins.startswith(entry["begins"])
        assert entry["tests"] or "not_run" in done, begins
        assert [test for test in entry["tests"] if not is_there(test)] == []
    if "not_run" in done:
        for path, said in (ROOT / page, done["not_run"]["en"]), (RUSSIAN[ROOT / page], done["not_run"]["ru"]):
            assert said in " ".join(path.read_text(encoding="utf-8").split())


def is_there(test: str) -> bool:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / "integration_tests" / path).read_text(encoding="utf-8"))
    return name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("block", blocks("bash"), ids=lambda block: block.page)
def test_a_shell_can_read_it(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_and_yaml_parse() -> None:
    for one in blocks("python"):
        ast.parse(one.text)
    assert [yaml.safe_load(one.text) for one in blocks("yaml")]


def test_configs_are_those_the_form_and_the_connector_accept() -> None:
    shown = [json.loads(block.text) for block in blocks("json")]
    configs = [one for one in shown if "account_domain" in one]
    assert configs
    for config in configs:
        text = re.sub(r'\{"(env|file)": "[^"]+"\}', '"…"', json.dumps(config, ensure_ascii=False))
        given = json.loads(text.replace("…", "a-token"))
        Draft7Validator(SPEC["connectionSpecification"]).validate(given)
        parse_config(given)


def test_make_leads_to_sections_of_the_readme() -> None:
    named = re.findall(r'README, "([^"]+)"', (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if f"\n## {name}\n" not in (ROOT / "README.md").read_text(encoding="utf-8")] == []


def test_make_knows_what_it_is_asked_for() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    asked = {name for path in PAGES for name in re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE)}
    assert asked
    assert asked - targets == set()


def test_links_lead_to_files_and_headings() -> None:
    broken = []
    for path in PAGES:
        for target, place in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", path.read_text(encoding="utf-8")):
            file = path.parent / target if target else path
            if "://" in target or (file.exists() and (not place or place[1:] in anchors(file))):
                continue
            broken.append(f"{path.name}: {target}{place}")
    assert broken == []


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)}


def test_docker_builds_the_image_as_make_does() -> None:
    """But for its name, and for the base image, which `make image` names as the Dockerfile does."""
    lines = [line for one in blocks("bash") for line in one.text.splitlines() if line.startswith("docker build")]
    assert {re.sub(r"-t \S+", "-t NAME", line) for line in lines} == {"docker build -t NAME ."}
    [base] = re.findall(r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    dry = ["make", "--dry-run", "image", "IMAGE=NAME"]
    done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    assert done.stdout == f"docker build --build-arg BASE_IMAGE={base} -t NAME .\n"


def test_docker_runs_the_image_that_was_built() -> None:
    lines = [line for one in blocks("bash") for line in re.sub(r" *\\\n *", " ", one.text).split("\n")]
    built = {tag for line in lines for tag in re.findall(r"docker build -t (\S+)", line)}
    built.update(re.findall(r"^export WAREHOUSE_IMAGE \?= (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    ran = [line.split("|")[0].split(">")[0].split() for line in lines if line.strip().startswith("docker run")]
    assert ran
    for words in ran:
        [image] = [word for word in words if word in built]
        verb = words[words.index(image) + 1]
        assert verb in ("spec", "check", "discover", "catalog", "read", "connect", "sync", "models", "publish", '"$@"')


def test_the_version_to_push_is_the_one_there_is() -> None:
    tags = re.findall(r"source-amocrm:(\d\S*)", guide("airbyte-ui.md"))
    assert set(tags) == {METADATA["dockerImageTag"]}
    assert f"| Docker image tag | `{METADATA['dockerImageTag']}` |" in guide("airbyte-ui.md")


def test_pyairbyte_is_the_version_that_is_tested() -> None:
    assert re.findall(r"airbyte==\S+", guide("pyairbyte.md")) == re.findall(
        r"\bairbyte==[\d.]+", (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    )
    selected = re.search(r"select_streams\((\[.*?\])\)", guide("pyairbyte.md"))
    assert selected
    assert set(ast.literal_eval(selected[1])) <= set(STREAMS)


def test_prefixes_are_those_the_tables_are_named_with() -> None:
    for path in PAGES:
        for prefix in re.findall(r"(?:table_prefix=|prefix +=) *\"([^\"]*)\"", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"amocrm_(\d+|\$\{each\.key\})_", prefix)


def test_helm_installs_a_chart_whose_images_are_there() -> None:
    text = guide("kubernetes.md")
    [chart] = re.findall(r'helm install .* --version "~(\d+\.\d+)\.0"', text)
    major, minor = map(int, chart.split("."))
    assert (major, minor) >= (2, 3), "MinIO's image of the charts before is gone"
    assert re.findall(r"^# values\.yaml, for chart (\S+)$", text, re.MULTILINE) == [chart]
    assert f"Chart {chart} itself was not rendered" in text


def test_helm_requests_what_the_guide_counts_with() -> None:
    values = yaml.safe_load(block("kubernetes.md", "# values.yaml"))
    resources = values["global"]["workloads"]["resources"]
    containers = [resources["mainContainer"], resources["mainContainer"], resources["replication"]]
    cpu = sum(int(one["cpu"]["request"].removesuffix("m")) for one in containers) / 1000
    units = {"Mi": 1, "Gi": 1024}
    memory = sum(int(one["memory"]["request"][:-2]) * units[one["memory"]["request"][-2:]] for one in containers) / 1024
    assert f"{cpu:g} CPU and {memory:g} GiB with the values above" in " ".join(guide("kubernetes.md").split())


def test_helm_s_values_are_those_the_chart_reads() -> None:
    """Those in a comment, too."""
    values = yaml.safe_load(block("kubernetes.md", "# values.yaml").replace("# nodeSelector", "nodeSelector"))
    pools = values["global"]["jobs"]["kube"].pop("nodeSelector")
    assert pools
    values["global"]["jobs"]["kube"]["nodeSelector"] = ""  # labels of the reader's own
    assert sorted(leaves(values)) == sorted(PUBLISHED["helm"]["read"])
    [secret] = re.findall(r"^kubectl create secret docker-registry (\S+) ", guide("kubernetes.md"), re.MULTILINE)
    assert values["global"]["jobs"]["kube"]["mainContainerImagePullSecret"] == secret
    namespaces = re.findall(r"--namespace (\S+)", guide("kubernetes.md"))
    assert namespaces == ["airbyte", "airbyte"]


def leaves(values: dict[str, Any], above: str = "") -> list[str]:
    found = []
    for name, value in values.items():
        found += leaves(value, f"{above}{name}.") if isinstance(value, dict) else [f"{above}{name}"]
    return found
