"""How a list is read without losing a row while people work. No table names here.

Every walk is a generator of `Page`s over a `Listing`, a list of the API. A page says which part of the walk is
finished once its rows are delivered, so a killed sync goes on from there and re-reads nothing else.
"""
