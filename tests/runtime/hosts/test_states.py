"""How hosts stand, by the words of llama.cpp, vLLM and LM Studio, and by answers of none of them."""

import asyncio
import json
from typing import Any

import pytest

from models_registry.config.local_hosts import HostKind, LocalHost
from runtime.hosts.asking import MAX_BYTES, HostAsking
from runtime.hosts.states import HostTold, left_of, told, version_warnings
from runtime.upstream.client import HttpUpstream
from schema.errors.upstream import LocalHostFailed
from schema.secret import Secret
from tests.fakes.json_server import Asked, json_server

LLAMACPP = {
    "/props": {
        "default_generation_settings": {"n_ctx": 8192},
        "total_slots": 4,
        "model_path": "/models/qwen3-8b.gguf",
        "build_info": "b6900-abc",
    },
    "/slots": [{"id": 0, "is_processing": True}, {"id": 1, "is_processing": False}],
    "/metrics": "# TYPE x gauge\nllamacpp:requests_processing 1\nllamacpp:requests_deferred 3\n",
}
VLLM = {
    "/v1/models": {"data": [{"id": "qwen", "max_model_len": 32768}]},
    "/version": {"version": "0.11.0"},
    "/metrics": 'vllm:num_requests_running{engine="0"} 2.0\nvllm:num_requests_running{engine="1"} 1.0\n'
    'vllm:num_requests_waiting{engine="0"} 7.0\n',
}
LM_STUDIO = {
    "/api/v0/models": {
        "data": [
            {"id": "a", "state": "loaded", "loaded_context_length": 4096, "max_context_length": 32768},
            {"id": "b", "state": "not-loaded", "max_context_length": 32768},
        ]
    }
}


def ask(kind: HostKind, pages: dict[str, Any]) -> HostTold:
    def answers(asked: Asked) -> tuple[int, bytes]:
        assert asked.headers.get("authorization") == "Bearer of-the-host"
        page = pages.get(asked.path)
        if page is None:
            return 501, b""
        return 200, page if isinstance(page, bytes) else (
            page.encode() if isinstance(page, str) else json.dumps(page).encode()
        )

    async def run() -> HostTold:
        upstream = HttpUpstream()
        await upstream.start()
        try:
            with json_server(answers) as server:
                key = Secret("of-the-host")
                host = LocalHost(name="h", kind=kind, api_base=server.url, pull_base=server.url, api_key=key)
                return await told(host, HostAsking(upstream))
        finally:
            await upstream.close()

    return asyncio.run(run())


def test_llamacpp_tells_of_slots_and_of_what_waits() -> None:
    found = ask(HostKind.LLAMACPP, LLAMACPP)
    assert (found.version, found.slots, found.busy, found.waiting) == ("b6900-abc", 4, 1, 3)
    assert [(each.name, each.loaded, each.context) for each in found.models] == [
        ("qwen3-8b.gguf", True, 8192)
    ]
    bare = ask(HostKind.LLAMACPP, {"/props": LLAMACPP["/props"]})
    assert (bare.slots, bare.busy, bare.waiting) == (4, None, None)


def test_vllm_tells_of_what_runs_and_waits() -> None:
    found = ask(HostKind.VLLM, VLLM)
    assert (found.version, found.busy, found.waiting) == ("0.11.0", 3, 7)
    assert [(each.name, each.context) for each in found.models] == [("qwen", 32768)]


def test_lm_studio_tells_what_is_loaded() -> None:
    found = ask(HostKind.LM_STUDIO, LM_STUDIO)
    assert [(each.name, each.loaded, each.context) for each in found.models] == [
        ("a", True, 4096),
        ("b", False, None),
    ]


@pytest.mark.parametrize("kind", list(HostKind))
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"data":5,"models":5,"model_path":5}', b"[" * 10_000]
)
def test_any_other_answer_is_a_failure_of_the_host(kind: HostKind, body: bytes) -> None:
    paths = ("/api/version", "/api/tags", "/api/ps", "/props", "/v1/models", "/api/v0/models")
    with pytest.raises(LocalHostFailed, match="The local host h"):
        ask(kind, dict.fromkeys(paths, body))


def test_an_answer_without_an_end_is_none() -> None:
    with pytest.raises(LocalHostFailed, match="more than"):
        ask(HostKind.VLLM, {"/v1/models": b" " * (MAX_BYTES + 1)})


@pytest.mark.parametrize(
    ("version", "warns"),
    [("0.1.33", True), ("0.1.47", False), ("0.12.3", False), ("0.0.0", False), ("", False), ("next", True)],
)
def test_an_old_version_is_told_of(version: str, warns: bool) -> None:
    assert bool(version_warnings(version)) is warns


@pytest.mark.parametrize("text", [None, "", "soon", "2318-09-12T13:28:31.123456789+02:00"])
def test_what_stays_for_good_has_no_end(text: str | None) -> None:
    assert left_of(text) is None
