"""Compares the tables of a database with the account, by another path than the sync's."""
