"""Compares the connector with the floor: the fewest pages that hold an account, at seven requests a second."""
