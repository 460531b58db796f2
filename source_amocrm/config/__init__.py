"""The settings, checked once."""
