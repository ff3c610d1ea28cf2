"""What a config says of local hosts."""

from datetime import datetime
from typing import Any

import pytest

from models_registry.config.local_hosts import GIB, HostKind, LocalHost
from runtime.blueprint import check


def entry(model: str, base: str, name: str = "m") -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": "k"}}


def hosts(*hosts: Any, models: list[dict[str, Any]] | None = None, env: dict[str, str] | None = None) -> Any:
    document = {"model_list": models or [], "general_settings": {"local_hosts": list(hosts)}}
    found = check(document, env or {})
    return found.hosts if not found.errors else found.errors


def test_hosts_are_those_that_deployments_name() -> None:
    models = [
        entry("ollama/llama3", "http://ollama:11434"),
        entry("ollama_chat/mistral", "http://ollama:11434/"),
        entry("hosted_vllm/qwen", "http://10.0.0.5:8000/v1"),
        entry("llamacpp/x", "http://127.0.0.1:8080/v1"),
        entry("lm_studio/x", "http://127.0.0.1:1234/v1"),
        entry("openai/gpt-4", "https://api.openai.com/v1"),
        entry("ollama/gpt-oss:cloud", "https://ollama.com"),
    ]
    found = {host.name: (host.kind, host.api_base) for host in hosts(models=models)}
    assert found == {
        "ollama:11434": (HostKind.OLLAMA, "http://ollama:11434"),
        "10.0.0.5:8000": (HostKind.VLLM, "http://10.0.0.5:8000"),
        "127.0.0.1:8080": (HostKind.LLAMACPP, "http://127.0.0.1:8080"),
        "127.0.0.1:1234": (HostKind.LM_STUDIO, "http://127.0.0.1:1234"),
    }


def test_two_hosts_behind_one_address_keep_apart() -> None:
    models = [entry("hosted_vllm/a", "http://gw/a/v1"), entry("hosted_vllm/b", "http://gw/b/v1")]
    assert [host.name for host in hosts(models=models)] == ["gw:80", "http://gw/b"]


def test_what_is_said_of_a_host_stands_beside_its_deployments() -> None:
    said = {
        "api_base": "http://ollama:11434",
        "pull_base": "http://ollama-pull:11434",
        "memory_gb": "os.environ/OLLAMA_MEMORY_GB",
        "keep_warm": ["phi3", {"model": "mistral", "hours": "22:00-06:00", "days": "fri-mon"}],
    }
    models = [entry("ollama/llama3", "http://ollama:11434")]
    (host,) = hosts(said, models=models, env={"OLLAMA_MEMORY_GB": "7.5"})
    assert isinstance(host, LocalHost)
    assert (host.name, host.pull_base, host.memory_bytes) == (
        "ollama:11434",
        "http://ollama-pull:11434",
        int(7.5 * GIB),
    )
    assert host.api_key is not None
    always, nights = host.keep_warm
    assert always.holds(datetime(2026, 12, 2, 3, 0))
    assert nights.days == {4, 5, 6, 0}
    friday, tuesday = datetime(2026, 12, 4, 23, 0), datetime(2026, 12, 8, 5, 59)
    assert nights.holds(friday)
    assert nights.holds(tuesday), "the night of Monday"
    assert not nights.holds(tuesday.replace(hour=6))
    assert not nights.holds(tuesday.replace(hour=23))


@pytest.mark.parametrize(("told", "mb"), [("2048m", 2048), ("2g", 2048), ("1.5G", 1536), ("16", 16 * 1024)])
def test_the_memory_may_be_told_as_containers_are_given_it(told: str, mb: int) -> None:
    (host,) = hosts({"api_base": "http://a:1", "memory_gb": "os.environ/MEM"}, env={"MEM": told})
    assert host.memory_bytes == mb * 1024**2


def test_a_variable_that_is_not_set_leaves_the_memory_unknown() -> None:
    (host,) = hosts({"api_base": "http://ollama:11434", "memory_gb": "os.environ/NOWHERE"})
    assert host.memory_bytes is None


def test_a_server_that_pulls_gets_no_prompt() -> None:
    said = {"api_base": "http://ollama:11434", "pull_base": "http://pull:11434"}
    (error,) = hosts(said, models=[entry("ollama/llama3", "http://pull:11434")])
    assert "pull:11434 is a pull_base, and models are called there too" in error


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({}, "api_base"),
        ({"api_base": "ollama:11434"}, "api_base"),
        ({"api_base": "http://a", "pull_base": "file:///x"}, "pull_base"),
        ({"api_base": "http://a", "memory_gb": -1}, "memory_gb"),
        ({"api_base": "http://a", "memory_gb": "much"}, "memory_gb"),
        ({"api_base": "http://a", "kind": "tgi"}, "kind"),
        ({"api_base": "http://a", "name": "a b"}, "name"),
        ({"api_base": "http://a", "api_key": "a\nb"}, "api_key"),
        ({"api_base": "http://a", "keep_warm": "x"}, "keep_warm"),
        ({"api_base": "http://a", "keep_warm": [{"model": "x", "hours": "8-18"}]}, "keep_warm"),
        ({"api_base": "http://a", "keep_warm": [{"model": "x", "days": "someday"}]}, "keep_warm"),
        ({"api_base": "http://a", "keep_warm": [{"model": "../x"}]}, "keep_warm.model"),
        ({"api_base": "http://a", "kind": "vllm", "keep_warm": ["x"]}, "keep_warm"),
        ({"api_base": "http://a", "memory": 4}, "memory"),
    ],
)
def test_what_is_wrong_is_an_error_with_its_path(said: dict[str, Any], path: str) -> None:
    assert hosts(said)[0].startswith(f"general_settings.local_hosts[0].{path}: ")
