import pytest

from models_registry.facts.addresses import is_at


@pytest.mark.parametrize(
    ("address", "at"),
    [
        ("https://x.ai/v1", True),
        ("https://api.X.ai./v1", True),
        ("https://api.eu.x.ai:8443", True),
        ("https://notx.ai", False),
        ("https://x.ai.evil.test", False),
        ("https://evil.test/x.ai", False),
        ("https://x.ai@evil.test", False),
        ("x.ai", False),
        ("http://[x.ai", False),
        ("", False),
    ],
)
def test_an_address_is_a_hosts_by_its_parsed_name(address: str, at: bool) -> None:
    assert is_at("x.ai", address) is at
