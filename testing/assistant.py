"""Calls the tools of `source-amocrm mcp` by the official client."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from amocrm_warehouse.assistant.mcp_command import TOKEN, server

from .forked import Forked
from .ports import free_port
from .warehouse import COMMAND, PYTHON, ROOT

SECRET = "a-token-that-is-long-enough"
ATTACKS = [
    "drop table amocrm_marts.deals", "select 1; drop table amocrm_marts.deals", "delete from amocrm_marts.deals",
    "select * from read_text('/etc/passwd')", "select * from read_csv('/etc/passwd')",
    "copy amocrm_marts.deals to '/tmp/x'",
    "with gone as (delete from amocrm_marts.deals returning 1) select * from gone", "attach '/tmp/other.duckdb'",
    "select 1) as a; drop table amocrm_marts.deals; --", "set enable_external_access = true", "install httpfs",
    "select * from '/etc/passwd'", "pragma database_list", "update amocrm_marts.deals set budget = 0",
]  # fmt: skip
"""SQL that is no SELECT, or more than one statement, or reads a file."""


def ask(
    database: str, *calls: tuple[str, dict[str, Any]], free_sql: bool = True, costs: Path | None = None
) -> list[Any]:
    """Returns the answer to each call: its content, or the text of its error."""

    async def call() -> list[Any]:
        async with Client(server(database, free_sql, costs)) as client:
            return [content_of(await client.call_tool(name, arguments)) for name, arguments in calls]

    return asyncio.run(call())


def content_of(result: Any) -> Any:
    return result.content[0].text if result.is_error else result.structured_content


def ask_by_stdio(url: str, name: str) -> Any:
    """Calls a tool of a server process that the client starts."""

    async def call() -> Any:
        command = StdioServerParameters(command=str(PYTHON), args=[*COMMAND[1:], "mcp", "--to", url], cwd=str(ROOT))
        async with Client(command) as client:
            return content_of(await client.call_tool(name, {}))

    return asyncio.run(call())


@contextmanager
def serving(url: str, *options: str) -> Iterator[str]:
    """Runs the server over HTTP in its own process and yields its address."""
    port = free_port()
    process = Forked(["mcp", "--to", url, "--http", str(port), *options], {TOKEN: SECRET})
    try:
        for _ in range(600):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(30)


def ask_by_http(address: str, name: str, token: str = SECRET) -> Any:
    async def call() -> Any:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return content_of(await client.call_tool(name, {}))

    return asyncio.run(call())
