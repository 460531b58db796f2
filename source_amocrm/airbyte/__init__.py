"""How streams, rows, states and problems are told to the platform.

This package exports no names: `run` imports `airbyte.broken_stdout` before anything that takes long to import.
"""
