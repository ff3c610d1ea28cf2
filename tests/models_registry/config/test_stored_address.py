"""Addresses that somebody enters through the API."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.config.stored_address import refusal_of


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "169.254.170.2",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata.goog",
        "0.0.0.0",
        "0",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_metadata_and_link_local_addresses_are_refused_however_they_are_written(host: str) -> None:
    for address in (f"http://{host}/v1", f"https://{host}:8080", f"http://{host}"):
        assert refusal_of(address) is not None, address


@pytest.mark.parametrize(
    "address",
    [
        "https://api.openai.com/v1",
        "http://ollama:11434",
        "http://127.0.0.1:8000/v1",
        "http://10.1.2.3/v1",
        "http://192.168.0.10:11434",
        "http://[fd12::5]:8000/v1",
        "http://[::1]:8000",
        "https://1.2.3.4.example.com/v1",
        "http://gpu-169.254.169.254.internal/v1",
    ],
)
def test_other_addresses_are_for_whoever_stores_models_to_choose(address: str) -> None:
    assert refusal_of(address) is None


@pytest.mark.parametrize("address", ["", "http://", "x", "http://a\\@b/", "http://[::1", "h" * 3000])
def test_what_is_no_address_is_refused(address: str) -> None:
    assert refusal_of(address) is not None


@given(st.integers(0, 2**16 - 1), st.sampled_from(["decimal", "hex", "short", "mapped"]))
def test_every_link_local_address_is_refused(last: int, written: str) -> None:
    ip = ipaddress.IPv4Address((169 << 24) + (254 << 16) + last)
    host = {
        "decimal": str(int(ip)),
        "hex": hex(int(ip)),
        "short": f"169.254.{last}",
        "mapped": f"[::ffff:{ip}]",
    }[written]
    assert refusal_of(f"http://{host}/v1") is not None


@given(st.text(max_size=80))
def test_no_text_makes_it_raise(text: str) -> None:
    refusal_of(f"http://{text}/v1")
    refusal_of(text)
