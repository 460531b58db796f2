"""Measures the peak memory of `read` and `sync` under servers whose rows are large, or never end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import parse_qs, urlsplit

from testing.connector import catalog, dumped, files
from testing.http_server import Connection, serve

from .line import Line, Workspace
from .measure import COMMAND, Process, run

MB = 1 << 20
PROMISE = 400e6
"""Limit on the peak memory of `read` (bytes)."""
MOST_OF_SYNC = 520e6
"""Limit on the peak memory of `sync` (bytes)."""
ENDLESS = 30.0
"""How long a list without an end is read (seconds)."""
BEGUN = 1_700_000_000
"""Date of a list's first row; each further row is a second younger."""
ACCOUNT = b'{"id":1,"subdomain":"example","is_api_filter_enabled":true}'
VALUE = '{"field_id":1,"field_name":"A","field_type":"textarea","values":[{"value":"%s"}]}'
FIELDS = ",".join(f'{{"field_id":{own},"field_name":"A field","values":[{{"value":"A value"}}]}}' for own in range(300))
CARDS = ["deals", "contacts", "companies", "tasks"]
LARGE: dict[str, tuple[str, int, list[str]]] = {
    "3 rows of 30 MB": (VALUE % ("x" * (30 * MB)), 1, ["deals", "contacts", "tasks"]),
    "12 rows of 7 MB": (VALUE % ("x" * (7 * MB)), 4, ["deals", "contacts", "tasks"]),
    "1,600 rows of 80 KB": (VALUE % ("щ" * 40_000), 400, CARDS),
    "4,500 cards of 300 fields": (FIELDS, 1_500, CARDS[:3]),
}
"""The custom fields of each row, the rows of each list, and the streams."""

Rows = Callable[[dict[str, list[str]]], tuple[list[str], bool]]
"""Gets a page's query. Returns the page's rows (JSON), and whether a next page is named."""


def memory(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """Large rows in several lists at once, then lists that bring new rows for ever."""
    for name, (fields, number, streams) in LARGE.items():
        rows = _dated(fields, number)
        yield _line(f"read of {name}", _run(workspace, "read", rows, streams), PROMISE)
        yield _line(f"sync of {name} into DuckDB", _run(workspace, "sync", rows, streams), MOST_OF_SYNC)
    seconds = 5.0 if quick else ENDLESS
    for name, date in {"of one second": lambda _: BEGUN, "one a second": lambda own: BEGUN + own}.items():
        process = _run(workspace, "read", _endless(date), [*CARDS, "users"], seconds)
        yield _line(f"read of lists without an end, rows {name}, after {seconds:.0f} s", process, PROMISE)


def _line(name: str, process: Process, most: float) -> Line:
    return Line(name, process.figures | {"at most": f"{most / 1e6:.0f} MB"}, process.memory <= most)


def _dated(fields: str, number: int) -> Rows:
    """Rows with these custom fields, one a second, which the server filters and orders by date."""

    def rows(query: dict[str, list[str]]) -> tuple[list[str], bool]:
        chosen = range(max(1, int(query.get("filter[updated_at][from]", ["0"])[0]) - BEGUN), number + 1)
        row = f'"custom_fields_values":[{fields}]'
        return page_of(query, chosen, lambda own: f'{{"id":{own},"updated_at":{BEGUN + own},{row}}}')

    return rows


def page_of(query: dict[str, list[str]], chosen: range, row: Callable[[int], str]) -> tuple[list[str], bool]:
    """Returns the page of these rows that a query asks for, and whether another follows."""
    if any("desc" in values for values in query.values()):
        chosen = chosen[::-1]
    size, first = _size(query)
    return [row(own) for own in chosen[first : first + size]], first + size < len(chosen)


def _endless(date: Callable[[int], int]) -> Rows:
    def rows(query: dict[str, list[str]]) -> tuple[list[str], bool]:
        size, first = _size(query)
        ids, name = range(first + 1, first + size + 1), "x" * 500
        return [f'{{"id":{own},"updated_at":{date(own)},"name":"{name}"}}' for own in ids], True

    return rows


def _size(query: dict[str, list[str]]) -> tuple[int, int]:
    """Returns the rows of a page, and the rows before it."""
    size = int(query.get("limit", ["250"])[0])
    return size, (int(query.get("page", ["1"])[0]) - 1) * size


def answer_with(rows: Rows) -> Callable[[Connection, str], bool]:
    def answer(conn: Connection, head: str) -> bool:
        url = urlsplit(head.split()[1])
        collection = url.path.rpartition("/")[2]
        if collection == "account":
            return conn.json(ACCOUNT)
        texts, more = rows(parse_qs(url.query))
        if not texts or collection == "events" or "only_deleted" in url.query:
            return conn.json(b"", "204 No Content")
        links = '{"next":{"href":"more"}}' if more else "{}"
        return conn.json(f'{{"_page":1,"_links":{links},"_embedded":{{"{collection}":[{",".join(texts)}]}}}}'.encode())

    return answer


def _run(
    workspace: Workspace, verb: str, rows: Rows, streams: Sequence[str], killed_after: float | None = None
) -> Process:
    folder = (workspace.folder / "memory").resolve()
    folder.mkdir(exist_ok=True)
    (folder / "crm.duckdb").unlink(missing_ok=True)
    with serve(answer_with(rows)) as server:
        config = {
            "account_domain": "example.amocrm.ru",
            "api_base_url": server.url,
            "credentials": {"auth_type": "long_lived_token", "access_token": "a-token"},
            "requests_per_second": 50,
        }
        if verb == "read":
            options = files(folder, config=config, catalog=dumped(catalog(streams)))
        else:
            path = folder / "config.json"
            path.touch(mode=0o600)
            path.write_text(json.dumps(config), encoding="utf-8")
            options = ["--config", str(path), "--project", "1001", "--to", "duckdb:///crm.duckdb"]
            options += ["--streams", ",".join(streams)]
        return run([str(COMMAND), verb, *options], folder, folder / f"{verb}.txt", killed_after)
