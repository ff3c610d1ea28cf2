"""With which context a host has loaded its models, and what a call makes of it."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

import msgspec
import pytest

from functions.chat import chat
from models_registry.dialects import Dialect
from models_registry.target import Residency, Target, TlsOptions
from runtime.upstream.client import HttpUpstream
from runtime.upstream.loaded import DEADLINES, FRESH_S, LOADING_S, MAX_KEPT, HostContexts
from schema.errors.upstream import UpstreamTimeout
from tests.fakes import answers
from tests.fakes.hostile_upstream import HostileUpstream, closed_port
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx
from tests.models_registry.backends import making

P = ParamSpec("P")


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


TARGET = msgspec.structs.replace(making.target(Dialect.OLLAMA), local=True)


def says(**contexts: int) -> Answer:
    models = [{"name": name, "model": name, "context_length": size} for name, size in contexts.items()]
    return Answer(body=json.dumps({"models": models}).encode())


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def named(model: str) -> Target:
    return msgspec.structs.replace(TARGET, model=model)


@pytest.mark.parametrize(
    ("loaded", "asked", "context"),
    [
        ("llama3:latest", "llama3", 8192),
        ("llama3", "llama3:latest", 8192),
        ("llama3:70b", "llama3", 0),
        ("ns/llama3:latest", "ns/llama3", 8192),
        ("host:80/ns/llama3:latest", "host:80/ns/llama3", 8192),
    ],
)
@in_a_loop
async def test_a_hosts_word_counts_by_the_models_name(loaded: str, asked: str, context: int) -> None:
    upstream = FakeUpstream(says(**{loaded: 8192}))
    assert await HostContexts(upstream).loaded(named(asked)) == context
    (request,) = upstream.requests
    assert (request.method, request.url) == ("GET", "http://upstream.test/api/ps")


@pytest.mark.parametrize(
    "answer",
    [
        UpstreamTimeout("slow"),
        Answer(status=404, body=b"404 page not found"),
        Answer(body=b""),
        Answer(body=b"<html>"),
        Answer(body=b'{"models": null}'),
        Answer(body=b'{"models": [{"name": 7}]}'),
        Answer(body=b"[]"),
    ],
)
@in_a_loop
async def test_a_host_that_does_not_say_costs_no_call(answer: Any) -> None:
    assert await HostContexts(FakeUpstream(answer)).loaded(TARGET) == 0


@in_a_loop
async def test_a_host_is_asked_now_and_then_and_once_at_a_time() -> None:
    clock, upstream = Clock(), FakeUpstream(says(native=4096), says(native=8192))
    contexts = HostContexts(upstream, clock)
    found = await asyncio.gather(*(contexts.loaded(TARGET) for _ in range(5)))
    assert (max(found), len(upstream.requests)) == (4096, 1)
    clock.now += FRESH_S - 0.1
    assert (await contexts.loaded(TARGET), len(upstream.requests)) == (4096, 1)
    clock.now += 0.2
    assert (await contexts.loaded(TARGET), len(upstream.requests)) == (8192, 2)


@in_a_loop
async def test_a_host_that_is_too_busy_to_say_has_what_it_had() -> None:
    clock, upstream = Clock(), FakeUpstream(says(native=8192), UpstreamTimeout("busy"), says())
    contexts = HostContexts(upstream, clock)
    found = []
    for _ in range(3):
        found.append(await contexts.loaded(TARGET))
        clock.now += FRESH_S
    assert found == [8192, 8192, 0]


@in_a_loop
async def test_what_was_sent_counts_while_the_model_may_be_loading() -> None:
    clock = Clock()
    contexts = HostContexts(FakeUpstream(says()), clock)
    contexts.sent(TARGET, 16384)
    contexts.sent(TARGET, 4096)
    assert await contexts.loaded(TARGET) == 16384
    assert await contexts.loaded(named("other")) == 0
    clock.now += LOADING_S
    assert await contexts.loaded(TARGET) == 0


@in_a_loop
async def test_what_is_remembered_is_bounded() -> None:
    contexts = HostContexts(FakeUpstream(says()))
    for number in range(MAX_KEPT + 10):
        contexts.sent(named(f"m{number}"), 4096)
    assert await contexts.loaded(named("m5")) == 0
    assert await contexts.loaded(named(f"m{MAX_KEPT}")) == 4096


def sizes(upstream: FakeUpstream) -> list[int]:
    bodies = [json.loads(request.body) for request in upstream.requests if request.method == "POST"]
    return [body["options"]["num_ctx"] for body in bodies]


async def ask(contexts: HostContexts, upstream: FakeUpstream, size: int, **fields: Any) -> None:
    messages = [{"role": "user", "content": "x" * size}]
    request = making.chat(model="mistral-local", messages=messages, **fields)
    await chat(request, model_ctx(upstream, contexts=contexts))


@pytest.mark.parametrize("hosts", [says(), says(**{"mistral:latest": 16384})])
@in_a_loop
async def test_a_small_call_after_a_large_one_keeps_the_context(hosts: Answer) -> None:
    upstream = FakeUpstream(Answer(body=answers.ollama_chat()))
    contexts = HostContexts(FakeUpstream(says(), hosts))
    for size in (2, 12_000, 2):
        await ask(contexts, upstream, size)
    assert sizes(upstream) == [4096, 16384, 16384]
    await ask(contexts, upstream, 2, num_ctx=2048)
    await ask(contexts, upstream, 2, options={"num_ctx": 1024})
    assert sizes(upstream)[-2:] == [2048, 1024]


@in_a_loop
async def test_another_workers_load_and_the_hosts_own_context_are_kept() -> None:
    upstream = FakeUpstream(Answer(body=answers.ollama_chat()))
    await ask(HostContexts(FakeUpstream(says(mistral=32768))), upstream, 2)
    await ask(HostContexts(FakeUpstream(says(mistral=32768))), upstream, 12_000)
    await ask(HostContexts(FakeUpstream(says(mistral=5000))), upstream, 2)
    await ask(HostContexts(FakeUpstream(says(mistral=5000))), upstream, 12_000)
    assert sizes(upstream) == [32768, 32768, 5000, 16384]


@in_a_loop
async def test_a_real_host_is_asked_over_http() -> None:
    client = HttpUpstream()
    await client.start()
    try:
        async with HostileUpstream().running() as host:
            there = msgspec.structs.replace(TARGET, api_base=host.url)
            assert await HostContexts(client).loaded(there) == 0
            assert [(seen.method, seen.path, seen.body) for seen in host.probes] == [("GET", "/api/ps", b"")]
        async with HostileUpstream("never_answers").running() as host:
            there = msgspec.structs.replace(TARGET, api_base=host.url)
            async with asyncio.timeout(DEADLINES.total_s + 1):
                assert await HostContexts(client).loaded(there) == 0
        gone = msgspec.structs.replace(TARGET, api_base=f"http://127.0.0.1:{closed_port()}")
        assert await HostContexts(client).loaded(gone) == 0
    finally:
        await client.close()


LOCAL = msgspec.structs.replace(TARGET, residency=Residency.LOCAL, tls=TlsOptions(verify=False))
COMPATIBLE = msgspec.structs.replace(
    making.target(Dialect.OPENAI), residency=Residency.NEAR, api_base="http://127.0.0.1:11434/v1"
)


def shown(**fields: str) -> Answer:
    return Answer(body=json.dumps({"details": {}, **fields}).encode())


@pytest.mark.parametrize(
    ("target", "answer", "is_remote"),
    [
        (LOCAL, shown(), False),
        (LOCAL, shown(remote_host="https://ollama.com:443"), True),
        (LOCAL, shown(remote_model="gpt-oss:120b"), True),
        (LOCAL, Answer(status=404, body=b"{}"), True),
        (LOCAL, Answer(status=500), True),
        (LOCAL, UpstreamTimeout("late"), True),
        (LOCAL, Answer(body=b"<html>"), True),
        (COMPATIBLE, shown(remote_host="https://ollama.com:443"), True),
        (COMPATIBLE, shown(), False),
        (COMPATIBLE, Answer(status=404, body=b'{"detail":"Not Found"}'), False),
        (COMPATIBLE, Answer(status=405), False),
        (COMPATIBLE, Answer(body=b"<html>"), False),
        (COMPATIBLE, Answer(status=502), True),
        (COMPATIBLE, UpstreamTimeout("late"), True),
    ],
)
@in_a_loop
async def test_whether_a_host_passes_a_model_on(target: Target, answer: Any, is_remote: bool) -> None:
    """Ollama may be spoken to in OpenAI's dialect too; other servers know no such path."""
    upstream = FakeUpstream(answer)
    assert await HostContexts(upstream).is_remote(target) is is_remote
    (asked,) = upstream.requests
    assert asked.url.endswith("/api/show")
    assert "/v1" not in asked.url
    assert (asked.tls, upstream.near) == (target.tls, [True])


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "deepseek-v3.1:671b-cloud", "kimi:cloud"])
@in_a_loop
async def test_a_model_of_ollamas_cloud_is_known_by_its_name(model: str) -> None:
    upstream = FakeUpstream(shown())
    for target in (LOCAL, COMPATIBLE):
        assert await HostContexts(upstream).is_remote(msgspec.structs.replace(target, model=model))
    assert upstream.requests == []


@in_a_loop
async def test_a_question_about_a_local_deployment_stays_near_and_keeps_its_tls() -> None:
    upstream = FakeUpstream(says())
    await HostContexts(upstream).loaded(LOCAL)
    assert (upstream.near, upstream.requests[0].tls) == ([True], LOCAL.tls)
