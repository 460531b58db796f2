"""One account of a fleet: a config file whose name is the account's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from source_amocrm.config.config_file import ConfigFile


class Account(ConfigFile):
    @property
    def project(self) -> str:
        """The part of its tables' names, amocrm_<project>_<stream>."""
        return self.name.replace("-", "_").lower()

    @property
    def integration(self) -> str:
        """A digest of the integration whose tokens the account uses. A long-lived token counts as one of its own."""
        credentials = self.written().get("credentials")
        given = credentials.get("client_id") if isinstance(credentials, Mapping) else None
        return hashlib.sha256(json.dumps(given or self.name).encode()).hexdigest()[:12]

    def spread(self, period: int) -> int:
        """A number below `period` that depends on the name alone, so that accounts do not all start at once."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big") % period
