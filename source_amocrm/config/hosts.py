"""Which hosts may ever be given a secret."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from source_amocrm.errors import ConfigError

SUFFIXES = (".amocrm.ru", ".amocrm.com", ".kommo.com")

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# amoCRM's own hosts, its site and the API servers that tokens name; and what is left of `https:/…`
_NOT_AN_ACCOUNT = re.compile(r"www|api(-[a-z])?|https?")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))

_DOMAIN_HELP = (
    "Account address (account_domain): this is not the address of an amoCRM or Kommo account. Type it as your "
    "browser shows it when amoCRM is open, for example example.amocrm.ru; it ends with amocrm.ru, amocrm.com or "
    "kommo.com."
)
_BASE_URL_HELP = (
    "API address (api_base_url): give an https:// address, or http:// on this machine only "
    "(for example http://127.0.0.1:8080), or leave the field empty."
)


def account_domain(given: object) -> str:
    """The account's host out of a host, a bare subdomain or a pasted URL. Raises ConfigError."""
    if not isinstance(given, str) or not given.strip():
        raise ConfigError("Account address (account_domain): fill it in, for example example.amocrm.ru.")
    text = given.translate(_INVISIBLE).strip()
    host = _host(text if "://" in text else f"https://{text.removeprefix('//')}")
    if host is not None and "." not in host:
        host += SUFFIXES[0]
    if host is None or not is_account_host(host):
        raise ConfigError(_DOMAIN_HELP)
    return host


def is_account_host(host: str) -> bool:
    """True for one label under the three suffixes that can be an account's own."""
    label, dot, rest = host.partition(".")
    if dot + rest not in SUFFIXES or _NOT_AN_ACCOUNT.fullmatch(label):
        return False
    return _LABEL.fullmatch(label) is not None


def is_service_host(host: str) -> bool:
    """True for any host of amoCRM or Kommo, api-a.amocrm.ru among them."""
    return host.endswith(SUFFIXES) and _is_name(host)


def service_url(given: object) -> str | None:
    """An https address of amoCRM or Kommo without its trailing slash, None for every other."""
    parts = _split(given) if isinstance(given, str) else None
    if parts is None or parts.scheme != "https" or parts.username is not None or parts.query or parts.fragment:
        return None
    if parts.port not in (None, 443) or not is_service_host(parts.hostname or ""):
        return None
    return f"https://{parts.hostname}{parts.path}".rstrip("/")


def base_url(given: object) -> str | None:
    """The hidden override without its trailing slash, None when not set. Raises ConfigError."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    parts = _split(given.strip()) if isinstance(given, str) else None
    if parts is None or not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(_BASE_URL_HELP)
    near = is_loopback(parts.hostname)
    if not (near or _is_name(parts.hostname)) or parts.scheme not in (("https", "http") if near else ("https",)):
        raise ConfigError(_BASE_URL_HELP)
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def is_loopback(host: str) -> bool:
    """True for localhost, 127.0.0.0/8 and ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_name(host: str) -> bool:
    return all(_LABEL.fullmatch(label) for label in host.split("."))


def _host(url: str) -> str | None:
    parts = _split(url)
    if parts is None or not parts.hostname:
        return None
    return parts.hostname.removesuffix(".")


def _split(url: str) -> SplitResult | None:
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
