"""`python -m sandbox.shapes FILE`: what an account sends, by its probe.json, that this sandbox cannot play.

Compares the shapes of its lists with those that the sandbox sends, by its defaults and with the answers of that file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .like import switches_like
from .switches import Switches

Shapes = Mapping[str, dict[str, Any]]
Place = Mapping[str, Any]
COUNTS = ("absent", "longest", "words")
"""The fields of a shape besides its types."""


def not_played(found: Shapes, played: list[Shapes]) -> Iterator[str]:
    """Yields a sentence for each part of an account's shapes that no shape of the sandbox has."""
    for name, shape in found.items():
        of = [one[name]["places"] for one in played if name in one]
        if not of:
            yield f"{name}: there is no such list"
            continue
        unsent = set[str]()
        for place, told in shape["places"].items():
            if any(place.startswith(f"{before}.") for before in unsent):
                continue
            mine = [one[place] for one in of if place in one]
            if mine:
                yield from (f"{name}: {place} is never {text}" for text in _never(told, mine))
            else:
                unsent.add(place)
                yield f"{name}: {place} is never sent ({', '.join(_types(told))})"


def _never(told: Place, mine: list[Place]) -> Iterator[str]:
    types = {kind for one in mine for kind in _types(one)}
    types |= {"integer"} if "number" in types else set()
    yield from sorted(_types(told).keys() - types)
    if told.get("absent") and not any(one.get("absent") for one in mine):
        yield "absent"
    longest = max(one.get("longest", 0) for one in mine)
    if told.get("longest", 0) > longest:
        yield f"longer than {longest} (there up to {told['longest']})"
    words = {word for one in mine for word in one.get("words", ())}
    yield from (f"“{word}”" for word in told.get("words", ()) if word not in words)


def _types(told: Place) -> dict[str, int]:
    return {kind: count for kind, count in told.items() if kind not in COUNTS}


def played_by(switches: Switches) -> Shapes:
    """Returns the shapes of an account of this sandbox in which people have worked."""
    from amocrm_probe.list_shapes import shapes
    from amocrm_probe.probe_run import probe_of
    from source_amocrm import source
    from testing.connector import config, without_sockets
    from testing.probed import lived_in

    from .sandbox import Sandbox

    sandbox = Sandbox(lived_in(switches))
    with without_sockets(sandbox):
        return shapes(probe_of(source.open_account(config(sandbox))).asking)


def main(argv: list[str] | None = None) -> int:
    [path] = argv if argv is not None else sys.argv[1:] or ["probe.json"]
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        shapes, switches = found["shapes"], switches_like(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        print(f"{path} is no probe.json with shapes: {error}", file=sys.stderr)
        return 2
    sentences = list(not_played(shapes, [played_by(Switches()), played_by(switches)]))
    print("\n".join(sentences) or "The sandbox can play all that this account sends.")
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
