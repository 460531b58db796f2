"""The accounts of a folder as a Dagster project: `make fleet ACCOUNTS=accounts DB=postgresql://…`."""
