"""How near the connector is to the floor: the fewest pages that hold an account, at seven requests a second."""
