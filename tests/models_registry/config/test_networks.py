"""Kinds of networks."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.config.networks import METADATA, Network, gives_credentials, network_of

PUBLIC = ["8.8.8.8", "1.1.1.1", "104.18.7.192", "2606:4700::6812:7c0", "64:ff9b::808:808", "::ffff:8.8.8.8"]
PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "198.18.0.1",
    "::1",
    "fd12::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
]
FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "::169.254.169.254",
    "169.254.170.23",
    "fd00:ec2::23",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "64:ff9b:1:a9fe:a9:fe00:808:808",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "::127.0.0.1",
]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        *((each, Network.PUBLIC) for each in PUBLIC),
        *((each, Network.PRIVATE) for each in PRIVATE),
        *((each, Network.FORBIDDEN) for each in FORBIDDEN),
        ("100.64.0.1", Network.SHARED),
        ("100.127.255.255", Network.SHARED),
        ("100.128.0.1", Network.PUBLIC),
    ],
)
def test_an_address_has_its_kind(address: str, kind: Network) -> None:
    assert network_of(ipaddress.ip_address(address)) is kind


def test_an_address_of_credentials_is_forbidden_in_each_form() -> None:
    assert {network_of(each) for each in METADATA} == {Network.FORBIDDEN}
    assert all(map(gives_credentials, METADATA))
    for form in (
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "fe80::1",
        "64:ff9b:1::1",
    ):
        assert gives_credentials(ipaddress.ip_address(form))
    for other in ("8.8.8.8", "10.0.0.1", "127.0.0.1", "::1", "0.0.0.0"):
        assert not gives_credentials(ipaddress.ip_address(other))


@given(st.ip_addresses(v=4))
def test_an_ipv6_form_of_an_address_is_judged_as_it(ip: ipaddress.IPv4Address) -> None:
    kind = network_of(ip)
    assert network_of(ipaddress.IPv6Address((0xFFFF << 32) | int(ip))) is kind
    over_a_relay = kind if kind is Network.PUBLIC else Network.FORBIDDEN
    nat64 = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(ip))
    assert network_of(nat64) is over_a_relay
    assert network_of(ipaddress.IPv6Address((0x2002 << 112) | (int(ip) << 80))) is over_a_relay
