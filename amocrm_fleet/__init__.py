"""Many accounts: a folder of configs, their syncs, invitations by link, and the Dagster project."""

from source_amocrm.config_file import ConfigFileError


class FleetError(ConfigFileError):
    """A sentence that says why an account or the folder of accounts cannot be used."""
