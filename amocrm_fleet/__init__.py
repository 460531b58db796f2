"""Many accounts: a folder of configs, their syncs, invitations by link, and the Dagster project."""

from source_amocrm.config_file import ConfigFileError


class FleetError(ConfigFileError):
    """Says in a sentence why an account or the folder of accounts cannot be used."""
