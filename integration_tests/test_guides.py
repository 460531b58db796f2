"""What the docs tell a reader to type can be typed: blocks parse, configs are valid, names and links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from source_amocrm.config.settings import parse_config
from source_amocrm.streams import STREAMS

from .guides import PAGES, ROOT, Block, anchor, blocks, guide

METADATA: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))["data"]
SPEC: dict[str, Any] = yaml.safe_load((ROOT / "source_amocrm" / "spec.yaml").read_text(encoding="utf-8"))


def test_every_block_is_of_a_language_that_is_looked_at() -> None:
    assert {block.language for block in blocks()} == {"bash", "hcl", "json", "python", "sql", "text", "yaml"}


@pytest.mark.parametrize("block", blocks("bash"), ids=lambda block: block.page)
def test_a_shell_can_read_it(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_and_yaml_parse() -> None:
    for block in blocks("python"):
        ast.parse(block.text)
    assert [yaml.safe_load(block.text) for block in blocks("yaml")]


def test_configs_are_those_the_form_and_the_connector_accept() -> None:
    configs = [json.loads(block.text) for block in blocks("json")]
    assert configs
    for config in configs:
        text = re.sub(r'\{"(env|file)": "[^"]+"\}', '"…"', json.dumps(config, ensure_ascii=False))
        given = json.loads(text.replace("…", "a-token"))
        Draft7Validator(SPEC["connectionSpecification"]).validate(given)
        parse_config(given)


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


def test_docker_runs_the_image_that_was_built_with_the_files_it_mounts() -> None:
    lines = [line for block in blocks("bash") for line in re.sub(r" *\\\n *", " ", block.text).split("\n")]
    built = {tag for line in lines for tag in re.findall(r"docker build -t (\S+)", line)}
    ran = [line.split("|")[0].split(">")[0].split() for line in lines if line.strip().startswith("docker run")]
    for words in ran:
        [image] = [word for word in words if word in built]
        verb, *options = words[words.index(image) + 1 :]
        assert verb in ("spec", "check", "discover", "read", '"$@"')
        mounted = '"$PWD/secrets:/secrets:ro"' in words
        assert all(path.startswith("/secrets/") and mounted for path in options[1::2])
    verbs = [
        words[-1] if words[-1] == "spec" else words[words.index("--config") - 1] for words in ran if words[-1] != '"$@"'
    ]
    assert verbs == ["spec", "check", "discover", "discover", "read", "read"]


def test_the_version_to_push_is_the_one_there_is() -> None:
    tags = re.findall(r"source-amocrm:(\d\S*)", guide("airbyte-ui.md"))
    assert set(tags) == {METADATA["dockerImageTag"]}
    assert f"| Docker image tag | `{METADATA['dockerImageTag']}` |" in guide("airbyte-ui.md")


def test_pyairbyte_is_the_version_that_is_tested() -> None:
    assert re.findall(r"airbyte==\S+", guide("pyairbyte.md")) == re.findall(
        r"^airbyte==\S+", (ROOT / "requirements" / "pyairbyte.in").read_text(), re.MULTILINE
    )
    selected = re.search(r"select_streams\((\[.*?\])\)", guide("pyairbyte.md"))
    assert selected
    assert set(ast.literal_eval(selected[1])) <= set(STREAMS)


def test_terraform_selects_the_suggested_streams_in_modes_they_have() -> None:
    text = guide("terraform.md")
    incremental, whole = (
        set(json.loads(names))
        for names, _ in re.findall(r"for name in (\[.*?\]) :\s+\{ name = name, sync_mode = \"(\w+)\" \}", text)
    )
    assert all(STREAMS[name].cursor_field for name in incremental)
    assert not any(STREAMS[name].cursor_field for name in whole)
    assert incremental | whole == set(METADATA["suggestedStreams"]["streams"])


def test_terraform_names_what_it_declares() -> None:
    code, values = (block.text for block in blocks("hcl"))
    declared = set(re.findall(r'^variable "(\w+)"', code, re.MULTILINE))
    assert declared == set(re.findall(r"\bvar\.(\w+)", code)) == set(re.findall(r"^(\w+) +=", values, re.MULTILINE))
    resources = {f"{kind}.{name}" for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', code, re.MULTILINE)}
    assert set(re.findall(r"\b(airbyte_\w+\.\w+)\[", code)) <= resources
    for opening, closing in ("{}", "[]", "()"):
        assert code.count(opening) == code.count(closing)


def test_terraform_s_configuration_is_one_the_connector_accepts() -> None:
    [auth_type] = re.findall(r'auth_type = "(\w+)"', guide("terraform.md"))
    [domains] = [re.findall(r'domain = "([^"]+)"', guide("terraform.md"))]
    assert domains
    for domain in domains:
        parse_config({"account_domain": domain, "credentials": {"auth_type": auth_type, "access_token": "a-token"}})


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
    assert f"Chart {chart} itself was not rendered, and nothing was installed on a cluster." in text


def test_helm_requests_what_the_guide_counts_with() -> None:
    [values] = [yaml.safe_load(block.text) for block in blocks("yaml")]
    resources = values["global"]["workloads"]["resources"]
    containers = [resources["mainContainer"], resources["mainContainer"], resources["replication"]]
    cpu = sum(int(one["cpu"]["request"].removesuffix("m")) for one in containers) / 1000
    units = {"Mi": 1, "Gi": 1024}
    memory = sum(int(one["memory"]["request"][:-2]) * units[one["memory"]["request"][-2:]] for one in containers) / 1024
    assert f"{cpu:g} CPU and {memory:g} GiB with the values above" in " ".join(guide("kubernetes.md").split())
