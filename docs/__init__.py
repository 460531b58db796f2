"""Writes the generated pages and pictures of this folder: `make docs`."""
