"""How a sync goes."""
