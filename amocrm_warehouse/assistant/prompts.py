"""The proven questions of questions.yaml as prompts, and the definitions of metrics and columns as resources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from mcp.types import (
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    Prompt,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    TextContent,
    TextResourceContents,
)

from amocrm_warehouse.dbt_package import PACKAGE
from amocrm_warehouse.known_names import nearest

QUESTIONS: list[dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("questions.yaml").read_text(encoding="utf-8")
)  # fmt: skip
PROMPTS = {f"{one['name']}_{language}": (one, language) for language in ("en", "ru") for one in QUESTIONS}
FILES = {
    "amocrm://definitions": (PACKAGE / "metrics.yaml", "Definitions of the metrics: what won or first answer means"),
    "amocrm://columns": (PACKAGE / "models" / "schema.yml", "Data dictionary: the marts and their columns"),
}
"""The resources: the file of each, and its title."""


async def list_prompts(*_: Any) -> ListPromptsResult:
    return ListPromptsResult(prompts=[Prompt(name=name, title=one[to]) for name, (one, to) in PROMPTS.items()])


async def get_prompt(_: Any, params: GetPromptRequestParams) -> GetPromptResult:
    if params.name not in PROMPTS:
        raise ValueError(f"There is no prompt {params.name}.{nearest(params.name, PROMPTS)}")
    one, language = PROMPTS[params.name]
    said = {"en": "Use the tool {tool} of source-amocrm.", "ru": "Возьми инструмент {tool} из source-amocrm."}
    text = f"{one[language]} {said[language].format(tool=one['tool'])}"
    return GetPromptResult(messages=[PromptMessage(role="user", content=TextContent(type="text", text=text))])


async def list_resources(*_: Any) -> ListResourcesResult:
    return ListResourcesResult(
        resources=[Resource(uri=uri, name=uri.partition("//")[2], title=title) for uri, (_, title) in FILES.items()]
    )


async def read_resource(_: Any, params: ReadResourceRequestParams) -> ReadResourceResult:
    uri = str(params.uri)
    if uri not in FILES:
        raise ValueError(f"There is no resource {uri}. There are: {', '.join(FILES)}.")
    text = FILES[uri][0].read_text(encoding="utf-8")
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type="application/yaml", text=text)])
