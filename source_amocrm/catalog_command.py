"""`source-amocrm catalog`: a configured catalog for `read`, of the chosen streams in their usual sync modes."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from airbyte_cdk import models

from source_amocrm.arguments import ArgumentParser
from source_amocrm.config_file import ConfigFile, ConfigFileError
from source_amocrm.entrypoint import keeper
from source_amocrm.errors import AmocrmError
from source_amocrm.source import SourceAmocrm


def configured(streams: Iterable[models.AirbyteStream]) -> models.ConfiguredAirbyteCatalog:
    """Streams with a cursor are read incrementally and merged by key; others are read whole and replaced."""
    whole = models.SyncMode.full_refresh, models.DestinationSyncMode.overwrite
    merged = models.SyncMode.incremental, models.DestinationSyncMode.append_dedup
    catalog = models.ConfiguredAirbyteCatalog([])
    for stream in streams:
        cursor, key = stream.default_cursor_field, stream.source_defined_primary_key
        modes = merged if cursor else whole
        catalog.streams.append(models.ConfiguredAirbyteStream(stream, *modes, cursor_field=cursor, primary_key=key))
    return catalog


def chosen(streams: Iterable[str] | None, without: Iterable[str], known: list[str]) -> list[str]:
    """Returns the names of the chosen streams, by default all `known` ones, but not the names in `without`.

    Raises ValueError, with the closest known name, for a name that no stream has, and if no stream is left.
    """
    names = list(dict.fromkeys(streams or known))
    left_out = set(without)
    check_names([*names, *left_out], known)
    if not (left := [name for name in names if name not in left_out]):
        raise ValueError("All chosen streams are left out (--without), so there is nothing to read.")
    return left


def check_names(names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            closest = difflib.get_close_matches(name, known, n=1)
            hint = f"the nearest name is “{closest[0]}”" if closest else f"there are {', '.join(known)}"
            raise ValueError(f"There is no stream “{name}”: {hint}.")


def main(arguments: list[str]) -> int:
    parser = ArgumentParser(prog="source-amocrm catalog", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what `source-amocrm connect` wrote")
    parser.add_argument("--streams", default="", help="only these, separated by commas; all of them by default")
    parser.add_argument("--without", default="", help="all but these, separated by commas")
    options = parser.parse_args(arguments)
    try:
        settings = ConfigFile(options.config).settings()
        source = SourceAmocrm(hand_over=keeper(options.config))
        found = {stream.name: stream.as_airbyte_stream() for stream in source.streams(settings)}
        named, without = (text.replace(",", " ").split() for text in (options.streams, options.without))
        names = chosen(named, without, list(found))
    except (AmocrmError, ConfigFileError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    catalog = configured(found[name] for name in names)
    print(json.dumps(models.ConfiguredAirbyteCatalogSerializer.dump(catalog), ensure_ascii=False))
    return 0
