"""The streams, one module a family. A stream is a declaration in its module's TABLES and a row function."""

from source_amocrm.streams import activity, communication, deals, dictionaries, field_values, history, links, people
from source_amocrm.streams.tables import Table

_FAMILIES = (deals, people, dictionaries, activity, field_values, links, history, communication)
TABLES: dict[str, Table] = {table.name: table for module in _FAMILIES for table in module.TABLES}
