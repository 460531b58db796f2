"""Which hosts may ever be given a secret."""

from __future__ import annotations

import ipaddress
import re

from source_amocrm.errors import ConfigError

SUFFIXES = (".amocrm.ru", ".amocrm.com", ".kommo.com")

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
# no hosts of amoCRM's own, its site and the API servers that tokens name; and not what is left of `https:/…`
_ACCOUNT = re.compile(rf"(?!(www|api(-[a-z])?|https?)\.){_LABEL}({'|'.join(map(re.escape, SUFFIXES))})")
# a host with what a browser shows around it, which is printable ASCII without a backslash
_PASTED = re.compile(
    r"(([a-z][a-z0-9+.-]*:)?//)?(?P<host>[a-z0-9.-]+)(:[0-9]{1,4})?([/?#][!-\[\]-~]*)?", re.ASCII | re.IGNORECASE
)
_SERVICE_URL = re.compile(r"https://(?P<host>[a-z0-9.-]+)(:443)?(?P<path>/[\w./~%-]*)?", re.ASCII | re.IGNORECASE)
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
    "API address (api_base_url): give https:// and a host, or http:// on this machine only "
    "(for example http://127.0.0.1:8080), with nothing behind it; or leave the field empty."
)


def account_domain(given: object) -> str:
    """The account's host out of a host, a bare subdomain or a pasted URL. Raises ConfigError."""
    if not isinstance(given, str) or not given.strip():
        raise ConfigError("Account address (account_domain): fill it in, for example example.amocrm.ru.")
    pasted = _PASTED.fullmatch(given.translate(_INVISIBLE).strip())
    host = pasted["host"].lower().removesuffix(".") if pasted else ""
    if "." not in host:
        host += SUFFIXES[0]
    if not is_account_host(host):
        raise ConfigError(_DOMAIN_HELP)
    return host


def is_account_host(host: str) -> bool:
    """True for one label under the three suffixes that can be an account's own."""
    return _ACCOUNT.fullmatch(host) is not None


def is_service_host(host: str) -> bool:
    """True for any host of amoCRM or Kommo, api-a.amocrm.ru among them."""
    return host.endswith(SUFFIXES) and _NAME.fullmatch(host) is not None


def service_url(given: object) -> str | None:
    """An https address of amoCRM or Kommo without its trailing slash, None for every other."""
    match = _SERVICE_URL.fullmatch(given) if isinstance(given, str) else None
    if match is None or not is_service_host(host := match["host"].lower()):
        return None
    return f"https://{host}{match['path'] or ''}".rstrip("/")


def base_url(given: object) -> str | None:
    """The hidden override as scheme, host and port, None when not set. Raises ConfigError.

    The checked parts make up the address, so that nothing else can be read out of it.
    """
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    if isinstance(given, str) and (match := _BASE_URL.fullmatch(given.strip())):
        scheme, port, host = match["scheme"].lower(), match["port"], _literal(match["host"].lower())
        if host and (scheme == "https" or _LOOPBACK.fullmatch(host)) and 0 < int(port or 80) < 65536:
            return f"{scheme}://{host}" if port is None else f"{scheme}://{host}:{int(port)}"
    raise ConfigError(_BASE_URL_HELP)


def _literal(host: str) -> str | None:
    """A name, four numbers, or an IPv6 address in brackets; None for anything else.

    Resolvers read other texts that end in a number, 127.1 and 0x7f000001, as addresses.
    """
    try:
        if host.startswith("["):
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        if _A_NUMBER.fullmatch(host.rpartition(".")[2]):
            return str(ipaddress.IPv4Address(host))
    except ValueError:
        return None
    return host if _NAME.fullmatch(host) else None
