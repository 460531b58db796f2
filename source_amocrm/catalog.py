"""`source-amocrm catalog`: the configured catalog that `read` wants, of all streams or of those named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path

import orjson
from airbyte_cdk.models import (
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)

from source_amocrm.check_on_terminal import keeper, plain_logs
from source_amocrm.config.config_file import ConfigFile, ConfigFileError
from source_amocrm.errors import AmocrmError
from source_amocrm.source import SourceAmocrm


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="source-amocrm catalog", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what `source-amocrm connect` wrote")
    parser.add_argument("--streams", help="only these, separated by commas")
    given = parser.parse_args(arguments)
    plain_logs()
    try:
        settings = ConfigFile(given.config).settings()
        streams = SourceAmocrm(hand_over=keeper(given.config)).streams(settings)
        found = {stream.name: stream.as_airbyte_stream() for stream in streams}
        chosen = [name for part in (given.streams or "").split(",") if (name := part.strip())] or list(found)
        check_names(chosen, found)
    except (AmocrmError, ConfigFileError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    catalog = configured_catalog(found[name] for name in dict.fromkeys(chosen))
    print(orjson.dumps(ConfiguredAirbyteCatalogSerializer.dump(catalog)).decode())
    return 0


def configured_catalog(streams: Iterable[AirbyteStream]) -> ConfiguredAirbyteCatalog:
    """Reads streams with a cursor incrementally and merges them by key; reads the others whole."""
    return ConfiguredAirbyteCatalog([_configured(stream) for stream in streams])


def check_names(chosen: Iterable[str], known: Collection[str]) -> None:
    """Raises ValueError for a stream that does not exist, with the nearest name."""
    for name in chosen:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"the nearest name is “{near[0]}”" if near else f"there are {', '.join(known)}"
            raise ValueError(f"There is no stream “{name}”: {hint}.")


def _configured(stream: AirbyteStream) -> ConfiguredAirbyteStream:
    whole = not stream.default_cursor_field
    return ConfiguredAirbyteStream(
        stream=stream,
        sync_mode=SyncMode.full_refresh if whole else SyncMode.incremental,
        destination_sync_mode=DestinationSyncMode.overwrite if whole else DestinationSyncMode.append_dedup,
        cursor_field=stream.default_cursor_field,
        primary_key=stream.source_defined_primary_key,
    )
