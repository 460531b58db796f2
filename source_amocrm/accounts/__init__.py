"""Configs of accounts on disk, one or a folder of them.

Of the standard library alone: the loader and the scheduler have environments of their own and read the same folder.
"""


class FleetError(ValueError):
    """What kept an account or the folder from being used, as a sentence for the person who runs it."""
