"""Calls that stay local: whatever the config, whatever fails, nothing leaves for another deployment."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat import chat
from functions.contract.call import Caller
from functions.messages import count_tokens
from functions.ports.context import ModelContext
from models_registry.target import Target
from schema.chat import ChatCompletion, ChatRequest, Message
from schema.errors.base import GatewayError
from schema.errors.models import ModelNotFound, NotLocal
from schema.errors.upstream import UpstreamTimeout, UpstreamUnreachable
from schema.messages import CountRequest
from schema.wire import decode_body
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import MEMBER, model_ctx

LOCAL = Caller(role=MEMBER.role, key_hash="a" * 8, user_id="ada", local_only="team")
NEAR, AWAY = "http://10.0.0.7:8000/v1", "https://api.away.test/v1"
OK = Answer(body=answers.openai_chat("m"))
REFUSED = Answer(status=500, body=b'{"error":{"message":"no","type":"server_error"}}')
LIMITED = Answer(status=429, body=b'{"error":{"message":"no","type":"rate_limit_error"}}')


def entry(name: str, number: int, *, local: bool) -> dict[str, Any]:
    params: dict[str, Any] = {"model": f"openai/{name}-{number}", "api_key": "k"}
    params |= {"api_base": f"{NEAR if local else AWAY}/{name}{number}"}
    if local:
        params["residency"] = "local"
    return {"model_name": name, "litellm_params": params}


def ask(model: str) -> ChatRequest:
    request = ChatRequest(model=model, messages=[Message(role="user", content="Who is ill?")])
    request.with_raw(request.fields())
    return request


def context(upstream: FakeUpstream, config: dict[str, Any], caller: Caller, **facts: Any) -> ModelContext:
    return model_ctx(
        upstream, caller=caller, ledger=FakeLedger(), config=config, stays_local=caller.local_only, **facts
    )


NAMES = ("a", "b", "c")
PLACES = st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), min_size=1, max_size=7)
LISTS = st.dictionaries(st.sampled_from((*NAMES, "*")), st.lists(st.sampled_from(NAMES), max_size=3))
FAILURES = st.lists(
    st.sampled_from([OK, REFUSED, LIMITED, UpstreamUnreachable("gone"), UpstreamTimeout("late")]),
    min_size=1,
    max_size=12,
)


@given(places=PLACES, fallbacks=LISTS, failures=FAILURES, asked=st.sampled_from(NAMES), own=st.booleans())
def test_no_byte_leaves_for_a_deployment_that_is_not_local(
    places: list[tuple[str, bool]],
    fallbacks: dict[str, list[str]],
    failures: list[Any],
    asked: str,
    own: bool,
) -> None:
    config: dict[str, Any] = {
        "model_list": [entry(name, number, local=local) for number, (name, local) in enumerate(places)],
        "router_settings": {
            "num_retries": 3,
            "fallbacks": [{name: names} for name, names in fallbacks.items() if name != "*"],
            "default_fallbacks": fallbacks.get("*", []),
            "allowed_fails": 0,
        },
    }
    upstream = FakeUpstream(*failures)
    ctx = context(upstream, config, LOCAL)
    request = ask(asked)
    if own:
        ctx = _with_fallbacks(ctx, tuple({name for name, _ in places}))
    has_local = any(local for _, local in places)
    try:
        asyncio.run(chat(request, ctx))
    except NotLocal:
        assert not any(local for name, local in places if name == asked)
    except (GatewayError, ModelNotFound):
        pass
    assert all(each.url.startswith(NEAR) for each in upstream.requests)
    assert all(upstream.near)
    assert has_local or not upstream.requests


def _with_fallbacks(ctx: ModelContext, names: tuple[str, ...]) -> ModelContext:
    """The call with fallbacks that its request names itself."""
    options = ctx.call.route_options._replace(fallbacks=names)
    return msgspec.structs.replace(ctx, call=msgspec.structs.replace(ctx.call, route_options=options))


CLOUD = {"model_list": [entry("a", 0, local=False)]}


def test_a_model_without_a_local_deployment_is_refused_by_the_rules_name() -> None:
    upstream = FakeUpstream(OK)
    with pytest.raises(NotLocal, match="local_only") as refused:
        asyncio.run(chat(ask("a"), context(upstream, CLOUD, LOCAL)))
    assert (refused.value.http_status, refused.value.reason) == (403, "local_only")
    assert upstream.requests == []


def test_the_row_says_who_wanted_it() -> None:
    upstream, ledger = FakeUpstream(OK), FakeLedger()
    config = {"model_list": [entry("a", 0, local=True)]}
    ctx = model_ctx(upstream, caller=LOCAL, ledger=ledger, config=config, stays_local="request")
    answer = asyncio.run(chat(ask("a"), ctx))
    assert isinstance(answer, ChatCompletion)
    (row,) = ledger.rows
    assert row.stays_local == "request"


COUNTED = b'{"input_tokens": 7}'
ASKED = b'{"model":"a","messages":[{"role":"user","content":"Who is ill?"}]}'


@pytest.mark.parametrize("residency", ["local", None])
def test_a_count_of_tokens_goes_no_further_than_a_call(residency: str | None) -> None:
    params = {"model": "anthropic/claude-sonnet-4-6", "api_key": "k", "api_base": "http://10.0.0.7:8000"}
    params |= {"residency": residency} if residency else {}
    config = {"model_list": [{"model_name": "a", "litellm_params": params}]}
    upstream = FakeUpstream(Answer(body=COUNTED))
    request = decode_body(msgspec.json.Decoder(CountRequest), ASKED)
    ctx = context(upstream, config, LOCAL)
    if residency:
        assert asyncio.run(count_tokens(request, ctx)).input_tokens == 7
        assert upstream.near == [True]
    else:
        with pytest.raises(NotLocal):
            asyncio.run(count_tokens(request, ctx))
        assert upstream.requests == []


class Remote:
    """A host whose models are those of another one. Implements `Contexts`."""

    async def loaded(self, target: Target) -> int:
        return 0

    async def is_remote(self, target: Target) -> bool:
        return True

    def sent(self, target: Target, tokens: int) -> None:
        return None


@pytest.mark.parametrize("provider", ["ollama", "hosted_vllm"])
def test_a_local_host_that_passes_the_model_on_is_not_local(provider: str) -> None:
    params = {"model": f"{provider}/gpt-oss:120b", "api_base": "http://ollama:11434/v1"}
    config = {"model_list": [{"model_name": "a", "litellm_params": params}]}
    upstream = FakeUpstream(OK)
    ctx = model_ctx(upstream, caller=LOCAL, config=config, contexts=Remote(), stays_local="team")
    with pytest.raises(NotLocal, match="passes it on"):
        asyncio.run(chat(ask("a"), ctx))
    assert upstream.requests == []


def test_a_call_that_may_go_anywhere_goes_to_a_declared_local_deployment_near_by_alone() -> None:
    upstream = FakeUpstream(OK)
    asyncio.run(chat(ask("a"), model_ctx(upstream, config={"model_list": [entry("a", 0, local=True)]})))
    asyncio.run(chat(ask("a"), model_ctx(upstream, config=CLOUD)))
    assert upstream.near == [True, False]


class Down(Remote):
    """Contexts of hosts of which the first does not say whether it passes a model on: it is down, or another
    host serves its model."""

    async def is_remote(self, target: Target) -> bool:
        return target.api_base.endswith("a0")


def test_a_local_host_that_does_not_answer_leaves_the_call_to_another_local_one() -> None:
    """Nothing is sent to it, and nothing leaves the house."""
    entries = [entry("a", 0, local=True), entry("a", 1, local=True), entry("a", 2, local=False)]
    entries[0]["litellm_params"]["order"] = 1
    upstream, ledger = FakeUpstream(OK), FakeLedger()
    ctx = model_ctx(
        upstream,
        caller=LOCAL,
        config={"model_list": entries},
        contexts=Down(),
        ledger=ledger,
        stays_local="team",
    )
    asyncio.run(chat(ask("a"), ctx))
    assert [each.url for each in upstream.requests] == [f"{NEAR}/a1/chat/completions"]
    alone = context(FakeUpstream(OK), {"model_list": [entries[0], entries[2]]}, LOCAL)
    with pytest.raises(NotLocal, match="passes it on"):
        asyncio.run(chat(ask("a"), msgspec.structs.replace(alone, contexts=Down())))
