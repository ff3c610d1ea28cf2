"""Which addresses are a provider's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.config.hosts import Origin, is_near, is_provider, origin_of, takes_environment_key
from models_registry.config.providers import PROVIDERS

OPENAI, VLLM, OLLAMA = PROVIDERS["openai"], PROVIDERS["hosted_vllm"], PROVIDERS["ollama"]


@pytest.mark.parametrize(
    "address",
    [
        "https://api.openai.com/v1",
        "https://API.OpenAI.com/v1",
        "https://api.openai.com./v1",
        "https://api.openai.com:443/v1",
        "https://eu.api.openai.com/v1",
        "https://us.api.openai.com",
    ],
)
def test_a_providers_own_hosts_are_known_however_they_are_written(address: str) -> None:
    assert is_provider(OPENAI, address, {})


@pytest.mark.parametrize(
    "address",
    [
        "https://api.openai.com.evil.tld/v1",
        "https://api.openai.com.evil.tld./v1",
        "https://evil.tld/api.openai.com",
        "https://api-openai.com/v1",
        "https://xapi.openai.com/v1",
        "https://openai.com/v1",
        "https://a.b.api.openai.com/v1",
        "https://.api.openai.com/v1",
        "https://*.api.openai.com.evil.tld",
        "https://api.openai.com@evil.tld/v1",
        "https://api.openai.com:443@evil.tld/v1",
        "https://user@api.openai.com/v1",
        "https://evil.tld\\@api.openai.com/v1",
        "https://evil.tld\\.api.openai.com/v1",
        "https://api.openai.com%2eevil.tld/v1",
        "https://api.openai.com../v1",
        "https://api.openai.com:8443/v1",
        "https://api.openai.com:0/v1",
        "https://api.openai.com:x/v1",
        "http://api.openai.com/v1",
        "ftp://api.openai.com/v1",
        "//api.openai.com/v1",
        "api.openai.com",
        "https://\u0430pi.openai.com/v1",  # a Cyrillic letter
        "https://xn--pi-7kc.openai.com/v1",
        "https://api\u3002openai\u3002com/v1",  # dots that name resolution may take for dots
        "https://\uff41pi.openai.com/v1",
        "https://api.openai.c\u00f6m/v1",
        "https://api.groq.com/openai/v1",
        "https://evil.openai.azure.com/openai/v1",  # anybody can have a resource there
        "https://104.18.7.192/v1",
        "https://[::1]/v1",
        "",
    ],
)
def test_another_host_is_not_the_providers_however_much_it_looks_like_it(address: str) -> None:
    assert not takes_environment_key(OPENAI, address, {})


def test_the_environments_own_address_is_the_providers_host_too() -> None:
    env = {
        "OPENAI_BASE_URL": "http://proxy.corp:8080/openai",
        "OPENAI_API_BASE": "https://b\u00fccher.example",
    }
    assert is_provider(OPENAI, "http://proxy.corp:8080/v2", env)
    assert is_provider(OPENAI, "http://PROXY.corp.:8080", env)
    assert is_provider(OPENAI, "https://xn--bcher-kva.example/v1", env)
    for other in ("https://proxy.corp:8080", "http://proxy.corp", "http://proxy.corp.evil.tld:8080"):
        assert not is_provider(OPENAI, other, env)
    assert not is_provider(PROVIDERS["anthropic"], "http://proxy.corp:8080", env)


def test_an_address_in_the_environment_that_leads_nowhere_lets_nothing_in() -> None:
    for base in ("", "api.openai.com", "https://", "https://x@proxy.corp"):
        assert not is_provider(OPENAI, "https://proxy.corp", {"OPENAI_BASE_URL": base})


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("http://localhost:8000/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]:8000", True),
        ("http://10.1.2.3", True),
        ("http://192.168.0.9:11434", True),
        ("http://[fd00::1]", True),
        ("http://gpu-1:8000/v1", True),
        ("http://host.docker.internal:8000", True),
        ("http://vllm.models.svc.cluster.local", True),
        ("http://vllm.models.svc:8000", True),
        ("http://nas.lan", True),
        ("http://[::ffff:10.0.0.1]", True),
        ("http://[::ffff:8.8.8.8]", False),
        ("http://169.254.169.254", False),
        ("http://169.254.0.7", False),
        ("http://[::ffff:169.254.169.254]", False),
        ("http://[fe80::1]", False),
        ("http://[fd00:ec2::254]", False),
        ("http://100.100.100.200", False),
        ("http://metadata.google.internal", False),
        ("http://svc.example.com", False),
        ("http://pi.home.arpa", True),
        ("http://8.8.8.8", False),
        ("http://134744072", False),  # 8.8.8.8, as resolvers read it
        ("http://0x08080808", False),
        ("http://gpu.example.com", False),
        ("http://local.example.com", False),
        ("http://localhost.evil.tld", False),
        ("http://internal.evil.tld", False),
        ("http://[2606:4700::1]", False),
        ("nothing", False),
    ],
)
def test_what_is_on_this_network(address: str, near: bool) -> None:
    assert is_near(address) == near
    assert takes_environment_key(VLLM, address, {"HOSTED_VLLM_API_KEY": "x"}) == near


def test_a_local_providers_key_goes_to_the_address_that_the_environment_gives() -> None:
    env = {"HOSTED_VLLM_API_BASE": "https://gpu.example.com/v1"}
    assert takes_environment_key(VLLM, "https://gpu.example.com/v1", env)
    assert not takes_environment_key(VLLM, "https://api.groq.com/openai/v1", env)
    assert takes_environment_key(OLLAMA, "https://ollama.com", {})


def test_an_origin_has_the_port_of_its_scheme() -> None:
    assert origin_of("HTTPS://Host.:443/x") == origin_of("https://host/y") == Origin("https", "host", 443)


@given(st.text(max_size=40))
def test_any_text_is_an_origin_or_none(text: str) -> None:
    origin_of(text)
    origin_of(f"https://{text}")
    assert not is_provider(OPENAI, f"https://{text}.example/v1", {})
