"""How a list is read without losing a row while people work. No table names here.

Every walk is a generator of `Page`s over a `Listing`, a list of the API. A page says which part of the list is finished
once its rows are delivered, so that a killed sync goes on from there and reads only the rest again.
"""
