"""What was checked of the hidden address is what requests would connect to, whatever was typed."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from source_amocrm.config.trusted_hosts import base_url
from source_amocrm.errors import ConfigError

PIECES = [
    *("http", "https", "HTTPS", "ftp", ":", "/", "//", "://", "\\", "\\\\", "@", "#", "?", "%", "%00", "%2f", "%40"),
    *(
        "[",
        "]",
        "[::1]",
        "[::1%25lo]",
        "[::ffff:127.0.0.1]",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "10.0.0.1",
    ),
    *("localhost", "evil.com", "xn--e1afmkfd.com", "user", "user:pass@", ":80", ":443", ":65536", ":0", ":", ".", "-"),
    *(
        " ",
        "\t",
        "\r\n",
        "\0",
        "\u00a0",
        "\u200b",
        "\u2028",
        "\uff0e",
        "\u3002",
        "\u2488",
        "\u0430",
        "\ud800",
        "\uff0f",
    ),
]
anything = st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=8).map("".join)
nearly = st.builds(
    lambda scheme, host, more: f"{scheme}://{host}{more}",
    st.sampled_from(["http", "https"]),
    st.sampled_from(["127.0.0.1", "[::1]", "localhost", "example.com"]),
    st.lists(st.sampled_from(PIECES), max_size=3).map("".join),
)


def read_by_requests(url: str) -> tuple[str | None, str | None, int | None]:
    """Scheme, host and port of the connection that would be opened."""
    prepared = requests.Request("GET", url).prepare().url
    assert prepared is not None
    parts = parse_url(prepared)
    return parts.scheme, (parts.host or "").strip("[]"), parts.port


@settings(max_examples=1000, deadline=None)
@given(typed=nearly | anything)
def test_what_was_checked_is_what_is_connected_to(typed: str) -> None:
    try:
        checked = base_url(typed)
    except ConfigError:
        return
    if checked is None:
        assert not typed.strip()
        return
    ours = urlsplit(checked)
    place = (ours.scheme, ours.hostname, ours.port)
    assert read_by_requests(f"{checked}/api/v4/account") == place
    assert read_by_requests(typed.strip()) == place
    assert checked == f"{ours.scheme}://{ours.netloc}"
    assert ours.username is None
    if ours.scheme == "http" and ours.hostname != "localhost":
        address = ipaddress.ip_address(ours.hostname or "")
        assert address in ipaddress.ip_network("127.0.0.0/8") or address == ipaddress.ip_address("::1")
