"""The streams, one module a family. A stream is a declaration in its module's TABLES and a row function."""

from source_amocrm.streams import activity, deals, dictionaries, field_values, people
from source_amocrm.streams.tables import Table

TABLES: dict[str, Table] = {
    table.name: table for module in (deals, people, dictionaries, activity, field_values) for table in module.TABLES
}
