"""`source-amocrm catalog`: a configured catalog for `read`, of the chosen streams in their usual sync modes."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from airbyte_cdk.models import (
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)

from source_amocrm.check_on_terminal import keeper
from source_amocrm.config_file import ConfigFile, ConfigFileError
from source_amocrm.errors import AmocrmError
from source_amocrm.source import SourceAmocrm


def configured(streams: Iterable[AirbyteStream]) -> ConfiguredAirbyteCatalog:
    return ConfiguredAirbyteCatalog([_configured(stream) for stream in streams])


def _configured(stream: AirbyteStream) -> ConfiguredAirbyteStream:
    """A stream with a cursor is read incrementally and merged by key; one without is read whole and replaced."""
    whole = not stream.default_cursor_field
    return ConfiguredAirbyteStream(
        stream=stream,
        sync_mode=SyncMode.full_refresh if whole else SyncMode.incremental,
        destination_sync_mode=DestinationSyncMode.overwrite if whole else DestinationSyncMode.append_dedup,
        cursor_field=stream.default_cursor_field,
        primary_key=stream.source_defined_primary_key,
    )


def check_names(asked: Iterable[str], known: list[str]) -> None:
    """Raises ValueError with the nearest name for a stream that there is not."""
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"the nearest name is “{near[0]}”" if near else f"there are {', '.join(known)}"
            raise ValueError(f"There is no stream “{name}”: {hint}.")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="source-amocrm catalog", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what `source-amocrm connect` wrote")
    parser.add_argument("--streams", default="", help="only these, separated by commas; all of them by default")
    given = parser.parse_args(arguments)
    try:
        settings = ConfigFile(given.config).settings()
        source = SourceAmocrm(hand_over=keeper(given.config))
        found = {stream.name: stream.as_airbyte_stream() for stream in source.streams(settings)}
        chosen = given.streams.replace(",", " ").split() or list(found)
        check_names(chosen, list(found))
    except (AmocrmError, ConfigFileError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    catalog = configured(found[name] for name in dict.fromkeys(chosen))
    print(json.dumps(ConfiguredAirbyteCatalogSerializer.dump(catalog), ensure_ascii=False))
    return 0
