"""How it is told to the platform."""
