"""The streams, one module a family. A stream is a declaration in its module's TABLES and a row function."""

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
    people,
    settings,
)
from source_amocrm.sync.tables import Table

_FAMILIES = (
    *(deals, people, dictionaries, activity),
    *(field_values, links, history, communication),
    *(customers, catalogs, settings, incoming, files),
)
TABLES: dict[str, Table] = {table.name: table for family in _FAMILIES for table in family.TABLES}
