"""How streams, rows, states and problems are told to the platform."""
