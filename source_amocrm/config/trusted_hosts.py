"""Decides to which hosts a secret may be sent."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from source_amocrm.errors import ConfigError

SUFFIXES = (".amocrm.ru", ".amocrm.com", ".kommo.com")

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
# not amoCRM's own hosts (its site, the API servers that tokens name), nor the `https` of a mistyped `https:/…`
_ACCOUNT = re.compile(rf"(?!(www|api(-[a-z])?|https?)\.){_LABEL}({'|'.join(map(re.escape, SUFFIXES))})")
_BASE_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(:(?P<port>[0-9]{1,5}))?/?",
    re.ASCII | re.IGNORECASE,
)
_A_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]+){3}|\[::1\]")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))

_DOMAIN_HELP = (
    "Account address (account_domain): this is not the address of an amoCRM or Kommo account. Type it as your "
    "browser shows it when amoCRM is open, for example example.amocrm.ru; it ends with amocrm.ru, amocrm.com or "
    "kommo.com."
)
_BASE_URL_HELP = (
    "API address (api_base_url): give https:// and a host, or an address of this machine "
    "(for example http://localhost:8080), with nothing behind it; or leave the field empty."
)


def account_domain(address: object) -> str:
    """Returns the account's host from a host, a bare subdomain or a pasted URL. Raises ConfigError."""
    if not isinstance(address, str) or not address.strip():
        raise ConfigError("Account address (account_domain): fill it in, for example example.amocrm.ru.")
    text = address.translate(_INVISIBLE).strip()
    parts = _split(text if "://" in text else f"https://{text.removeprefix('//')}")
    host = (parts.hostname or "").removesuffix(".") if parts else ""
    if "." not in host:
        host += SUFFIXES[0]
    if not is_account_host(host):
        raise ConfigError(_DOMAIN_HELP)
    return host


def is_account_host(host: str) -> bool:
    """Whether the host is a single label under one of SUFFIXES, which may be an account's."""
    return _ACCOUNT.fullmatch(host) is not None


_KOMMO = tuple(suffix for suffix in SUFFIXES if suffix != ".amocrm.ru")
_KOMMO_MENU = {
    "«Настройки» → «Счета и оплата»": "“Settings” → “Billing”",
    "«Настройки» → «Общие настройки»": "“Settings” → “General settings”",
    "«Белый список ip-адресов»": "the list of allowed IP addresses",
    "«Настройки»": "“Settings”",
    "«amoМаркет»": "“Settings” → “Integrations”",
    "«Ключи и доступы»": "“Keys and scopes”",
    "«Код авторизации»": "“Authorization code”",
    "«Сгенерировать долгосрочный токен»": "“Generate long-lived token”",
    "«Доступ к файлам»": "“Access to files”",
}
"""What Kommo calls the parts of amoCRM's menu that messages name; the longer names come first."""


def in_words_of(host: str, sentence: str) -> str:
    """Returns a sentence with the parts of the menu as the account's interface calls them: Kommo's is in English."""
    if host.endswith(_KOMMO):
        for russian, english in _KOMMO_MENU.items():
            sentence = sentence.replace(russian, english)
    return sentence


def is_service_host(host: str) -> bool:
    """Whether the host is amoCRM's or Kommo's, for example api-a.amocrm.ru."""
    return host.endswith(SUFFIXES) and _NAME.fullmatch(host) is not None


def service_url(url: object) -> str | None:
    """Returns an https address of amoCRM or Kommo without its trailing slash; None for any other address."""
    parts = _split(url) if isinstance(url, str) else None
    if parts is None or parts.scheme != "https" or parts.username is not None or parts.query or parts.fragment:
        return None
    if parts.port not in (None, 443) or not is_service_host(parts.hostname or ""):
        return None
    return f"https://{parts.hostname}{parts.path}".rstrip("/")


def base_url(url: object) -> str | None:
    """Returns the hidden option api_base_url as scheme, host and port; None if it is not set. Raises ConfigError.

    The address is put together of the checked parts, so that no client reads another host in it.
    """
    if url is None or (isinstance(url, str) and not url.strip()):
        return None
    if isinstance(url, str) and (match := _BASE_URL.fullmatch(url.strip())):
        scheme, port, host = match["scheme"].lower(), match["port"], _literal(match["host"].lower())
        if host and (scheme == "https" or _LOOPBACK.fullmatch(host)) and 0 < int(port or 80) < 65536:
            return f"{scheme}://{host}" if port is None else f"{scheme}://{host}:{int(port)}"
    raise ConfigError(_BASE_URL_HELP)


def _literal(host: str) -> str | None:
    """Returns a host name, an IPv4 address, or an IPv6 address in brackets; None for anything else.

    Resolvers take other texts that end in a number, such as 127.1 and 0x7f000001, for addresses, too.
    """
    try:
        if host.startswith("["):
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        if _A_NUMBER.fullmatch(host.rpartition(".")[2]):
            return str(ipaddress.IPv4Address(host))
    except ValueError:
        return None
    return host if _NAME.fullmatch(host) else None


def _split(url: str) -> SplitResult | None:
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
