"""Who we are to amoCRM: tokens, and where they come from."""
