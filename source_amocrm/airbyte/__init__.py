"""Delivers rows, states, statuses and problems to the platform, as Airbyte's messages.

This package exports no names: `run` imports `airbyte.broken_stdout` before anything that takes long to import.
"""
