"""The streams, one module a family. A stream is a class in its module's STREAMS that names its row function."""

from source_amocrm.streams import (
    activity,
    catalogs,
    communication,
    customers,
    deals,
    dictionaries,
    field_values,
    files,
    history,
    incoming,
    links,
    live,
    people,
    settings,
    talks,
)
from source_amocrm.streams.base import AmocrmStream

_FAMILIES = (
    *(deals, people, dictionaries, activity),
    *(field_values, links, history, communication),
    *(customers, catalogs, settings, incoming, talks, files, live),
)
STREAMS: dict[str, type[AmocrmStream]] = {stream.name: stream for family in _FAMILIES for stream in family.STREAMS}
