"""The response cache in calls of every surface: who shares an answer, what is kept, and what a hit is."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.calls.cached import CACHE_KEY_HEADER, use_of
from functions.chat import chat
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from models_registry.config.redis_place import RedisPlace
from models_registry.config.response_cache import CacheKind, CacheRules
from schema.cache_options import AS_USUAL, CacheOptions, cache_options_of
from schema.chat import ChatRequest
from schema.errors.base import GatewayError
from schema.errors.limits import RateLimited
from schema.errors.upstream import UpstreamCut
from schema.ledger.rows import Outcome
from schema.usage import Usage
from schema.wire import Wire, decode_body, to_json
from tests.fakes import answers
from tests.fakes.cache import local_cache
from tests.fakes.ledger import FakeLedger
from tests.fakes.state import FakeState
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.calls.surfaces import HELLO, PAIRS, STREAMS, SURFACES, answer_of
from tests.functions.contexts import MEMBER, ONE_ATTEMPT, make_call, make_registry, model_ctx


class Desk:
    """Calls of one gateway, each with what it was answered, and whether the provider was asked."""

    def __init__(self, config: dict[str, Any] = ONE_ATTEMPT, *, state: FakeState | None = None, **rules: Any):
        self.cache = local_cache(**rules)
        self.ledger = FakeLedger()
        self.config = config
        self.state = state
        self.headers: dict[str, str] = {}
        """The headers of the last answer."""

    def ask(
        self,
        surface: str = "chat",
        model: str = "gpt",
        *,
        script: Answer | None = None,
        caller: Caller = MEMBER,
        header: str = "",
        facts: Mapping[str, Any] = {},
        **fields: Any,
    ) -> tuple[bytes, bool]:
        """What the client is sent, and whether it came from the cache."""
        function, kind, usual, call_type = SURFACES[surface]
        body = {"model": model, **usual, **fields}
        request: Wire = decode_body(msgspec.json.Decoder(kind), json.dumps(body).encode())
        upstream = FakeUpstream(script or answer_of(surface, model, fields.get("stream")))
        headers = {"cache-control": header} if header else {}
        ctx = model_ctx(
            upstream,
            caller=caller,
            ledger=self.ledger,
            config=self.config,
            cache=self.cache,
            state=self.state,
            cache_options=cache_options_of(headers, request.raw),
            **{"call_type": call_type, **facts},
        )

        async def run() -> bytes:
            answer = await function(request, ctx)
            if isinstance(answer, Wire):
                return answer.wire or to_json(answer)
            try:
                return b"".join([piece async for piece in answer.events()])
            finally:
                answer.close()

        sent = asyncio.run(run())
        self.headers = ctx.call.reply_headers
        assert (CACHE_KEY_HEADER in self.headers) is not bool(upstream.requests)
        return sent, not upstream.requests

    def hits(self, *args: Any, **fields: Any) -> bool:
        return self.ask(*args, **fields)[1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("surface", "model"), PAIRS)
def test_the_same_request_gets_the_same_bytes_once_more_for_nothing(
    surface: str, model: str, stream: bool
) -> None:
    if surface == "embeddings" and stream:
        return
    desk = Desk()
    fields: dict[str, Any] = {"stream": True} if stream else {}
    first = desk.ask(surface, model, **fields)
    second = desk.ask(surface, model, **fields)
    assert first == (second[0], False)
    assert second[1]
    one, two = desk.ledger.rows
    assert (one.cache_hit, two.cache_hit, two.cost_nano) == (False, True, 0)
    assert (two.outcome, two.streamed, two.model_group) == (Outcome.OK, stream, model)
    assert (two.prompt_tokens, two.completion_tokens) == (one.prompt_tokens, one.completion_tokens)
    assert (two.response_id, two.estimated) == (one.response_id, False)
    assert two.request_id == one.request_id, "each call has a row; here all calls have one id"
    assert desk.headers["x-litellm-response-cost"] in ("0", "0.0")


def test_a_stream_and_a_plain_answer_and_two_surfaces_are_never_mixed() -> None:
    desk = Desk()
    for surface in SURFACES:
        assert not desk.hits(surface)
        if surface != "embeddings":
            assert not desk.hits(surface, stream=True)
    assert all(desk.hits(surface) for surface in SURFACES)


FIELD = st.sampled_from(
    [
        "temperature", "top_p", "max_tokens", "seed", "user", "stop", "metadata", "odd_field",
        "frequency_penalty", "response_format", "tools", "messages", "tags", "service_tier",
    ]
)  # fmt: skip
VALUE: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 3)
    | st.floats(0, 2).map(lambda x: round(x, 1))
    | st.text('ab"é ', max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)
BODIES = st.dictionaries(FIELD, VALUE, max_size=3)


def key(body: Mapping[str, Any], *, indent: int | None = None, **facts: Any) -> str:
    """The key of a body, whatever its fields mean."""
    request = decode_body(msgspec.json.Decoder(Anything), json.dumps(body, indent=indent).encode())
    ctx = model_ctx(FakeUpstream(), cache=KEYS, **facts)
    use = use_of(ctx.call, KEYS, request.fields(), GPT, "ChatExchange")
    assert use is not None
    return use.key


class Anything(Wire, frozen=True, kw_only=True, dict=True):
    """Any body."""


KEYS = local_cache()
GPT = make_registry().target("gpt", allowed=(), roll=0.0)


@given(BODIES, BODIES)
def test_two_requests_that_differ_in_any_field_never_share_an_answer(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    if same:
        assert json.dumps(one) != json.dumps(two) or key(one) == key(two)
    else:
        assert key(one) != key(two)


@given(BODIES, st.randoms(use_true_random=False))
def test_the_order_of_fields_and_blanks_and_the_cache_field_change_no_key(
    body: dict[str, Any], random: Any
) -> None:
    names = list(body)
    random.shuffle(names)
    other = {name: body[name] for name in names} | {"cache": {"ttl": 5}}
    assert key(body) == key(other, indent=3)


CALLERS = [
    Caller(role=INTERNAL_USER, key_hash=key_hash, key_id=f"id-{key_hash}", user_id=user, team_id=team)
    for key_hash, user, team in [
        ("k1", "ada", "red"), ("k2", "bob", "red"), ("k3", "ada", None), ("k4", "ada", None),
        ("k5", "", None), ("k6", "", None), ("k7", "red", None), ("k8", "", "blue"),
    ]
]  # fmt: skip
SHARES = [{0, 1}, {2, 3}, {4}, {5}, {6}, {7}]
"""The callers that share answers: a team, a user without a team, a key without both."""


def test_callers_share_answers_within_a_team_a_user_or_a_key_and_no_further() -> None:
    desk = Desk()
    for place, caller in enumerate(CALLERS):
        earlier = any(place in group and min(group) < place for group in SHARES)
        assert desk.hits(caller=caller) is earlier, caller
    everybody = Desk(shared=True)
    assert [everybody.hits(caller=caller) for caller in CALLERS] == [False] + [True] * 7


def test_a_changed_deployment_another_model_a_beta_header_and_a_local_call_have_keys_of_their_own() -> None:
    body = {"model": "gpt"}
    betas = [{"anthropic-beta": "a"}, {"anthropic-beta": "b"}, {"traceparent": "00-1"}, {}]
    keys = [key(body, pass_on=headers) for headers in betas]
    assert len(set(keys)) == 3
    assert keys[2] == keys[3] == key(body)
    kept = msgspec.structs.replace(MEMBER, keeps_local_bodies=True)
    assert key(body, caller=kept, stays_local="team") != key(body, caller=kept)
    desk = Desk()
    assert not desk.hits()
    desk.config = deepcopy(ONE_ATTEMPT)
    desk.config["model_list"][0]["litellm_params"]["temperature"] = 0.5
    assert not desk.hits()
    desk.config = ONE_ATTEMPT
    assert desk.hits()


def test_the_deployments_of_one_model_share_answers() -> None:
    def entry(host: str) -> dict[str, Any]:
        params = {"model": "openai/gpt-4", "api_base": f"http://{host}.test/v1", "api_key": "sk-x"}
        return {"model_name": "gpt", "litellm_params": params}

    desk = Desk({"model_list": [entry("one"), entry("two")], "router_settings": {"num_retries": 0}})
    assert not desk.hits(facts={"roll": 0.0})
    assert desk.hits(facts={"roll": 0.9})


@pytest.mark.parametrize(
    ("asked", "header", "takes", "leaves"),
    [
        ({}, "", True, True),
        ({"no-cache": True}, "", False, True),
        ({"no-store": True}, "", True, False),
        ({"no-cache": True, "no-store": True}, "", False, False),
        ({"use-cache": False}, "", False, False),
        ({"s-maxage": 0}, "", False, True),
        ({"s-maxage": 3600}, "", True, True),
        ({}, "no-cache", False, True),
        ({}, "no-store, max-age=100", True, False),
        ({}, "max-age=0", False, True),
        ({"namespace": "other"}, "", False, False),
    ],
)
def test_a_request_says_what_it_wants_of_the_cache(
    asked: dict[str, Any], header: str, takes: bool, leaves: bool
) -> None:
    fields: dict[str, Any] = {"cache": asked} if asked else {}
    desk = Desk()
    desk.ask()
    assert desk.hits(header=header, **fields) is takes
    desk = Desk()
    desk.ask(header=header, **fields)
    assert desk.hits() is leaves


def test_a_request_says_for_how_long_and_where_an_answer_is_kept() -> None:
    desk = Desk()
    desk.ask(cache={"ttl": 0.000_001})
    assert not desk.hits()
    desk.ask(cache={"namespace": "n"})
    assert desk.hits(cache={"namespace": "n"})
    assert desk.headers[CACHE_KEY_HEADER].startswith("n:")
    assert cache_options_of({"cache-control": "s-maxage=7"}, {}) == AS_USUAL._replace(ttl_s=7.0)


def test_the_config_says_who_has_to_ask_and_which_surfaces_are_cached() -> None:
    desk = Desk(opt_in=True)
    assert [desk.hits(), desk.hits()] == [False, False]
    assert [desk.hits(cache={"use-cache": True}) for _ in range(2)] == [False, True]
    desk = Desk(call_types=frozenset({"aembedding"}))
    assert [desk.hits(), desk.hits()] == [False, False]
    assert [desk.hits("embeddings"), desk.hits("embeddings")] == [False, True]
    desk = Desk(kind=CacheKind.OFF)
    assert [desk.hits(), desk.hits()] == [False, False]


def test_what_stays_local_is_kept_only_where_its_team_allows_it() -> None:
    local: dict[str, Any] = {"model": "mistral-local", "facts": {"stays_local": "team"}}
    config = deepcopy(ONE_ATTEMPT)
    config["model_list"][2]["litellm_params"]["api_base"] = "http://127.0.0.1:11434"
    desk = Desk(config)
    assert [desk.hits(**local), desk.hits(**local)] == [False, False]
    kept = msgspec.structs.replace(MEMBER, keeps_local_bodies=True)
    assert [desk.hits(caller=kept, **local) for _ in range(2)] == [False, True]
    assert not desk.hits(model="mistral-local", caller=kept), "other calls don't share its answers"


@pytest.mark.parametrize(
    ("host", "kept"), [("127.0.0.1", True), ("redis", True), ("::1", True), ("redis.example.com", False)]
)
def test_what_stays_local_is_kept_in_no_redis_of_others(host: str, kept: bool) -> None:
    rules = CacheRules(kind=CacheKind.REDIS, redis=RedisPlace(host=host))
    caller = msgspec.structs.replace(MEMBER, keeps_local_bodies=True)
    for stays_local in ("team", ""):
        call = make_call(caller, call_type="acompletion", stays_local=stays_local)
        cache = local_cache()
        cache.use(rules)
        found = use_of(call, cache, {}, GPT, "Chat")
        assert (found is not None) == (kept or not stays_local)


def test_an_answer_that_stays_local_is_not_kept_where_another_redis_is_in_force_by_now() -> None:
    caller = msgspec.structs.replace(MEMBER, keeps_local_bodies=True)
    for host, kept in (("redis", True), ("redis.example.com", False)):
        cache = local_cache()
        call = make_call(caller, call_type="acompletion", stays_local="team")
        use = use_of(call, cache, {}, GPT, "Chat")
        assert use is not None
        cache.use(CacheRules(kind=CacheKind.REDIS, redis=RedisPlace(host=host)))
        use.keep(b"{}", Usage(), None)
        assert (len(cache.memory) == 1) is kept


def unfit(**choice: Any) -> Answer:
    body = msgspec.json.decode(answers.openai_chat())
    body["choices"][0] |= choice
    return Answer(body=msgspec.json.encode(body))


CUT = Answer(chunks=answers.openai_stream()[:2], error=UpstreamCut("cut"))
NOT_DONE = Answer(chunks=answers.openai_stream()[:2])


@pytest.mark.parametrize(
    ("script", "stream"),
    [
        (Answer(status=400, body=b'{"error":{"message":"no"}}'), False),
        (Answer(status=503, body=b"<html>"), False),
        (Answer(body=b'{"choices":[{'), False),
        (unfit(finish_reason="content_filter"), False),
        (unfit(message={"role": "assistant", "content": None, "refusal": "I can't."}), False),
        (CUT, True),
        (NOT_DONE, True),
        (Answer(chunks=[b'data: {"error":{"message":"no"}}\n\n']), True),
    ],
)
def test_an_answer_that_is_refused_cut_or_failed_is_never_kept(script: Answer, stream: bool) -> None:
    desk = Desk()
    fields: dict[str, Any] = {"stream": True} if stream else {}
    with suppress(GatewayError):
        desk.ask(script=script, **fields)
    assert len(desk.cache.memory) == 0
    assert not desk.hits(**fields)
    assert desk.hits(**fields)


def test_words_in_a_text_that_look_like_a_refusal_are_kept() -> None:
    message = {"role": "assistant", "content": 'say "finish_reason": "content_filter", "type": "refusal"'}
    desk = Desk()
    desk.ask(script=unfit(message=message))
    assert desk.hits()


def test_a_client_that_leaves_a_stream_leaves_nothing_in_the_cache() -> None:
    desk = Desk()

    async def run() -> None:
        request = decode_body(
            msgspec.json.Decoder(ChatRequest),
            json.dumps({"model": "gpt", "messages": HELLO, "stream": True}).encode(),
        )
        ctx = model_ctx(FakeUpstream(Answer(chunks=STREAMS["gpt"])), ledger=desk.ledger, cache=desk.cache)
        stream = await chat(request, ctx)
        assert not isinstance(stream, Wire)
        events = stream.events()
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        stream.close()

    asyncio.run(run())
    assert desk.ledger.rows[0].outcome is Outcome.CANCELLED
    assert len(desk.cache.memory) == 0


def test_an_answer_over_the_limit_is_sent_and_not_kept() -> None:
    desk = Desk(max_entry_bytes=100)
    assert [desk.hits(), desk.hits()] == [False, False]
    assert [desk.hits(stream=True), desk.hits(stream=True)] == [False, False]


def test_a_hit_is_refused_by_the_same_limits_as_any_call(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    desk.ask()

    async def refuses(*_: object, **__: object) -> None:
        raise RateLimited("Too many.", param=None)

    monkeypatch.setattr(desk.ledger, "hold", refuses)
    with pytest.raises(RateLimited):
        desk.ask()


def test_a_cache_that_fails_fails_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(desk.cache.memory, "put", breaks)
    assert not desk.hits()
    assert desk.ledger.rows[0].outcome is Outcome.OK
    assert not desk.hits(stream=True)


def test_a_stored_response_that_the_cache_answers_is_stored_as_well() -> None:
    state = FakeState()
    desk = Desk(state=state)
    first, _ = desk.ask("responses")
    state.values.clear()
    second, hit = desk.ask("responses")
    assert hit
    assert first == second
    assert len(state.values) == 1
    other, hit = desk.ask("responses", store=False)
    assert not hit, "its answer has another form"
    assert other != first


def test_options_that_can_t_be_read_are_refused_by_name() -> None:
    for asked, param in [
        ({"ttl": "long"}, "cache.ttl"),
        ({"ttl": 0}, "cache.ttl"),
        ({"ttl": 10**9}, "cache.ttl"),
        ({"s-maxage": True}, "cache.s-maxage"),
        ({"no-cache": "yes"}, "cache.no-cache"),
        ({"namespace": "a b"}, "cache.namespace"),
    ]:
        with pytest.raises(GatewayError) as caught:
            cache_options_of({}, {"cache": msgspec.Raw(msgspec.json.encode(asked))})
        assert caught.value.param == param
    assert cache_options_of({}, {"cache": msgspec.Raw(b"null")}) == CacheOptions()
