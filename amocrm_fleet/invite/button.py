"""amoCRM's button for external integrations: what its script is told, and the address that it opens.

Both make amoCRM create an integration in the account of whoever allows; there is no client ID before that.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from source_amocrm.streams.chats import SCOPE as CHAT_TEXTS

SCOPES = ("crm", "files")
NAME = "source-amocrm"
DESCRIPTION = "Reads the account for its owner's own database and changes nothing. Только читает данные аккаунта."


@dataclass(frozen=True)
class Service:
    """`script` is the button's own, which the page loads from amoCRM."""

    name: str
    consent: str
    script: str
    script_class: str

    @property
    def origin(self) -> str:
        return "/".join(self.script.split("/")[:3])


AMOCRM = Service("amoCRM", "https://www.amocrm.ru/oauth", "https://www.amocrm.ru/auth/button.min.js", "amocrm_oauth")
KOMMO = Service("Kommo", "https://www.kommo.com/oauth", "https://www.kommo.com/auth/button.js", "kommo_oauth")


@dataclass(frozen=True)
class Button:
    """`public_url` is the page's address as the world sees it; redirect and secrets come to it."""

    public_url: str
    service: Service
    consent_url: str | None = None
    chat_texts: bool = False

    @property
    def scopes(self) -> tuple[str, ...]:
        """The accesses that the administrator is asked for."""
        return (*SCOPES, CHAT_TEXTS) if self.chat_texts else SCOPES

    @property
    def redirect_uri(self) -> str:
        return f"{self.public_url}/callback"

    @property
    def secrets_uri(self) -> str:
        return f"{self.public_url}/secrets"

    def attributes(self, title: str, state: str) -> dict[str, str]:
        """The script's `data-…` attributes. In the mode `popup` amoCRM closes its window and redirects the page."""
        return {
            "data-name": NAME,
            "data-description": DESCRIPTION,
            "data-redirect_uri": self.redirect_uri,
            "data-secrets_uri": self.secrets_uri,
            "data-logo": f"{self.public_url}/static/icon.svg",
            "data-scopes": ",".join(self.scopes),
            "data-title": title,
            "data-compact": "false",
            "data-color": "blue",
            "data-state": state,
            "data-mode": "popup",
        }

    def address(self, state: str) -> str:
        """What the script opens, for the window that the page is in: no script has to run."""
        asked = [
            ("state", state),
            ("mode", "post_message"),
            ("origin", self.public_url),
            ("name", NAME),
            ("description", DESCRIPTION),
            ("redirect_uri", self.redirect_uri),
            ("secrets_uri", self.secrets_uri),
            ("logo", f"{self.public_url}/static/icon.svg"),
            *(("scopes[]", scope) for scope in self.scopes),
        ]
        return f"{self.consent_url or self.service.consent}?{urlencode(asked)}"
