"""Where users' addresses may lead: by literal address, by name, and by two answers to one name."""

import asyncio
from collections.abc import Sequence

import pytest

from runtime.blueprint import check
from runtime.guarded.guard import MAX_ADDRESSES, Forbidden, Guard
from runtime.guarded.rules import GuardRules


def rules(**general: object) -> GuardRules:
    checked = check({"general_settings": general}, {})
    assert checked.errors == ()
    return checked.guard


def found(rules: GuardRules, host: str, *answers: str, port: int = 443) -> Sequence[str]:
    async def resolve(name: str, number: int) -> Sequence[str]:
        assert (name, number) == (host, port)
        return answers

    return asyncio.run(Guard(rules, resolve).addresses(host, port))


def test_a_public_address_may_be_asked() -> None:
    assert found(rules(), "pictures.test", "8.8.8.8", "2606:4700::1") == ["8.8.8.8", "2606:4700::1"]


@pytest.mark.parametrize("inner", ["127.0.0.1", "10.0.0.1", "::1", "::ffff:10.0.0.1", "169.254.169.254"])
def test_one_private_answer_among_public_ones_forbids_the_host(inner: str) -> None:
    with pytest.raises(Forbidden, match="it leads to"):
        found(rules(), "pictures.test", "8.8.8.8", inner)


def test_few_of_many_addresses_are_tried() -> None:
    assert len(found(rules(), "many.test", *(f"8.8.8.{n}" for n in range(50)))) == MAX_ADDRESSES


@pytest.mark.parametrize("allowed", ["files.test", "FILES.test", "files.test:8443", "10.0.0.0/8", "10.1.2.3"])
def test_an_admin_allows_a_private_host(allowed: str) -> None:
    open_to = rules(user_url_allowed_hosts=[allowed])
    assert found(open_to, "files.test", "10.1.2.3", port=8443) == ["10.1.2.3"]


@pytest.mark.parametrize(
    "allowed", ["other.test", "test", "s.test", "files.test:9000", "10.2.0.0/16", "192.168.0.0/16"]
)
def test_and_no_other_one(allowed: str) -> None:
    with pytest.raises(Forbidden, match="private network"):
        found(rules(user_url_allowed_hosts=[allowed]), "files.test", "10.1.2.3", port=8443)


def test_a_mapped_address_is_covered_by_its_own_network() -> None:
    open_to = rules(user_url_allowed_hosts=["10.0.0.0/8"])
    assert found(open_to, "files.test", "::ffff:10.0.0.1") == ["::ffff:10.0.0.1"]


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "fe80::1", "0.0.0.0"]
)
@pytest.mark.parametrize(
    "general",
    [
        {"user_url_validation": False},
        {"user_url_allowed_hosts": ["files.test", "169.254.0.0/16", "fd00::/8", "0.0.0.0/0", "::/0"]},
    ],
)
def test_nobody_can_allow_the_addresses_of_credentials(general: dict[str, object], address: str) -> None:
    with pytest.raises(Forbidden, match="never asked"):
        found(rules(**general), "files.test", address)


def test_the_judgement_of_private_networks_can_be_switched_off_and_is_warned_of() -> None:
    checked = check({"general_settings": {"user_url_validation": False}}, {})
    assert [each for each in checked.warnings if "user_url_validation" in each]
    assert found(checked.guard, "files.test", "10.1.2.3") == ["10.1.2.3"]


@pytest.mark.parametrize(
    "text", ["http://files.test", "files.test/path", "", "a b", "10.0.0.0/99", "x@files.test"]
)
def test_what_is_no_host_is_an_error_of_the_config(text: str) -> None:
    checked = check({"general_settings": {"user_url_allowed_hosts": [text]}}, {})
    (error,) = checked.errors
    assert error.startswith("general_settings.user_url_allowed_hosts[0]: expected a host")


@pytest.mark.parametrize("size", ["-1", "many", "1e9"])
def test_a_size_that_is_none_is_an_error(size: str) -> None:
    (error,) = check({}, {"MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": size}).errors
    assert error.startswith("MAX_IMAGE_URL_DOWNLOAD_SIZE_MB: expected a number from 0 to 100")


@pytest.mark.parametrize(
    ("host", "address", "called"),
    [
        ("api.example.com", "93.184.216.34", True),
        ("llm.example.com", "10.1.2.3", False),
        ("llm.example.com", "127.0.0.1", False),
        ("llm.example.com", "::ffff:10.1.2.3", False),
        ("llm.example.com", "100.64.0.9", False),
        ("nas.example.com", "10.1.2.3", True),
        ("ollama", "172.18.0.3", True),
        ("gpu-1.lan", "192.168.1.7", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("100.64.0.9", "100.64.0.9", True),
        ("[fd00::7]", "fd00::7", True),
        ("ollama", "169.254.169.254", False),
        ("gpu-1.lan", "fe80::1", False),
        ("169.254.169.254", "169.254.169.254", False),
        ("llm.example.com", "no address", False),
    ],
)
def test_where_the_host_of_a_stored_model_may_lead(host: str, address: str, called: bool) -> None:
    async def nobody(name: str, port: int) -> Sequence[str]:
        raise AssertionError("a name was looked up")

    guard = Guard(rules(user_url_allowed_hosts=["nas.example.com"]), nobody)
    assert (guard.why_not_called(host, 443, address) is None) is called
