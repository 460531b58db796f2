"""amoCRM's button for external integrations: the attributes of its script, and the address that the script opens.

Either makes amoCRM create an integration in the administrator's account; there is no client ID before that.
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
    """amoCRM or Kommo. `script`: the address of the button's script; `consent`: of the page that grants access."""

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
    """`public_url`: the invitation page's public address, to which amoCRM redirects browsers and posts the keys."""

    public_url: str
    service: Service
    consent_url: str | None = None
    chat_texts: bool = False

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the administrator is asked to grant."""
        return (*SCOPES, CHAT_TEXTS) if self.chat_texts else SCOPES

    @property
    def redirect_uri(self) -> str:
        return f"{self.public_url}/callback"

    @property
    def secrets_uri(self) -> str:
        return f"{self.public_url}/secrets"

    def attributes(self, title: str, state: str) -> dict[str, str]:
        """Returns the script's `data-…` attributes. The mode `popup` closes amoCRM's window and redirects the page."""
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
        """Returns the address that the script opens, for the page's own window: it works without the script."""
        parameters = [
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
        return f"{self.consent_url or self.service.consent}?{urlencode(parameters)}"
