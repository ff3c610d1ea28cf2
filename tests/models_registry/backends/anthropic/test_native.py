"""The byte path of Messages: what goes to a provider, and what comes back."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends import BACKENDS, native_at
from models_registry.backends.anthropic.native import NativeMessages, counted_tokens
from models_registry.backends.signatures import of_google
from models_registry.dialects import Dialect
from models_registry.target import Target
from models_registry.turns.surfaces import Surface
from schema.errors.requests import UnsupportedParameter
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamMalformed
from schema.messages import MessagesRequest
from schema.wire import decode_body
from tests.fakes import answers
from tests.models_registry.backends.feeding import Outcome, cut, feed_all_ways, run
from tests.models_registry.backends.making import FACTS, KEY, body_of, chat, target

NATIVE = NativeMessages()
CLAUDE = target(Dialect.ANTHROPIC)
_DECODER = msgspec.json.Decoder(MessagesRequest)
HELLO = {"role": "user", "content": "Hello"}
STREAM = b"".join(answers.anthropic_stream())


def ask(**fields: Any) -> MessagesRequest:
    body = {"model": "public", "max_tokens": 50, "messages": [HELLO]} | fields
    return decode_body(_DECODER, json.dumps(body).encode())


def sent(request: MessagesRequest, to: Target = CLAUDE) -> dict[str, Any]:
    fitted = NATIVE.fitted(request, to)
    if fitted is not None:
        request, to, _ = fitted
    return body_of(NATIVE.request(request, to, FACTS))


def relayed(body: bytes) -> Outcome:
    return feed_all_ways(lambda: NATIVE.stream(ask(), CLAUDE), body, [5, 50, 500])


def event(kind: str, **more: object) -> bytes:
    return f"event: {kind}\ndata: ".encode() + json.dumps({"type": kind, **more}).encode() + b"\n\n"


def test_the_gateways_own_fields_do_not_go_on() -> None:
    body = sent(ask(litellm_metadata={"tags": ["a"]}, tags=["b"], num_retries=1, metadata={"tags": ["c"]}))
    assert set(body) == {"model", "max_tokens", "messages"}
    assert body["model"] == "native"
    with pytest.raises(UnsupportedParameter):
        sent(ask(api_base="http://elsewhere.test"))


def test_the_deployments_parameters_are_put_into_the_words_of_messages() -> None:
    params = {"temperature": 0, "stop": "END", "max_completion_tokens": 7, "reasoning_effort": "low"}
    to = target(Dialect.ANTHROPIC, params=params)
    request = ask(max_tokens=None)
    fitted = NATIVE.fitted(request, to)
    assert fitted is not None
    assert fitted[2] == ("reasoning_effort",)
    body = sent(request, to)
    assert (body["temperature"], body["stop_sequences"]) == (0, ["END"])
    assert "reasoning_effort" not in body
    assert sent(ask(temperature=1), to)["temperature"] == 1


def test_a_limit_of_the_gateways_own_has_messages_name() -> None:
    to = msgspec.structs.replace(target(Dialect.OPENAI), limit_field="max_completion_tokens")
    fitted = NATIVE.fitted(ask(), to)
    assert fitted is not None
    assert fitted[1].limit_field == "max_tokens"


def test_thinking_of_other_providers_is_left_out() -> None:
    unsigned = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    signed = {"type": "thinking", "thinking": "Ah.", "signature": "sig"}
    googles = {"type": "thinking", "thinking": "", "signature": of_google("c2ln")}
    turns = [
        HELLO,
        {"role": "assistant", "content": [unsigned, signed, {"type": "text", "text": "Hi"}, googles]},
        HELLO,
        {"role": "assistant", "content": [unsigned]},
        {"role": "user", "content": 'say "signature":"" please'},
    ]
    request = ask(messages=turns)
    fitted = NATIVE.fitted(request, CLAUDE)
    assert fitted is not None
    assert fitted[2] == ("messages.content.thinking",)
    body = sent(request)
    assert [each["role"] for each in body["messages"]] == ["user", "assistant", "user", "user"]
    assert body["messages"][1]["content"] == [signed, {"type": "text", "text": "Hi"}]
    assert NATIVE.fitted(ask(messages=[turns[4]]), CLAUDE) is None


@pytest.mark.parametrize("odd", ["text", None, 1, ["x"]])
def test_a_conversation_of_another_shape_goes_on_as_it_came(odd: object) -> None:
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    messages = [{"role": "assistant", "content": [foreign, odd]}]
    assert sent(ask(messages=messages))["messages"] == messages


def test_another_providers_messages_are_at_their_own_place_and_get_the_key_both_ways() -> None:
    to = msgspec.structs.replace(
        target(Dialect.OPENAI),
        more_surfaces=frozenset({Surface.MESSAGES}),
        messages_base="https://api.deepseek.com/anthropic/v1",
    )
    native = native_at(to, Surface.MESSAGES)
    assert native is not None
    made = native.request(ask(), to, FACTS)
    assert made.url == "https://api.deepseek.com/anthropic/v1/messages"
    assert (made.headers["authorization"], made.headers["x-api-key"]) == (f"Bearer {KEY}", KEY)
    plain = msgspec.structs.replace(to, messages_base="", api_base="http://vllm.test/v1")
    assert native.request(ask(), plain, FACTS).url == "http://vllm.test/v1/messages"


def test_only_a_deployment_that_has_the_surface_gets_the_bytes() -> None:
    assert native_at(target(Dialect.OPENAI), Surface.MESSAGES) is None
    listed = msgspec.structs.replace(
        target(Dialect.OLLAMA), more_surfaces=frozenset({Surface.MESSAGES, Surface.CHAT})
    )
    assert native_at(listed, Surface.MESSAGES) is None
    claude = msgspec.structs.replace(CLAUDE, more_surfaces=frozenset({Surface.CHAT}))
    assert native_at(claude, Surface.CHAT) is None


def test_a_stream_passes_as_it_came() -> None:
    outcome = relayed(STREAM)
    assert (outcome.out, outcome.error, outcome.done) == (STREAM, None, True)
    assert outcome.usage is not None
    assert (outcome.usage.prompt_tokens, outcome.usage.completion_tokens) == (12, 6)
    assert not outcome.usage.estimated
    assert outcome.produced_bytes == len("".join(answers.TEXT))


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_stream_may_be_cut_anywhere_on_its_way(at: list[int]) -> None:
    assert run(NATIVE.stream(ask(), CLAUDE), cut(STREAM, at)).out == STREAM


@pytest.mark.parametrize("end", range(1, len(answers.anthropic_stream())))
def test_a_stream_that_breaks_off_is_an_error(end: int) -> None:
    outcome = relayed(b"".join(answers.anthropic_stream()[:end]))
    assert isinstance(outcome.error, UpstreamCut)
    assert not outcome.done
    assert outcome.usage is None or end > 10 or outcome.usage.estimated


def test_a_stream_whose_last_event_has_no_empty_line_is_whole() -> None:
    outcome = run(NATIVE.stream(ask(), CLAUDE), [STREAM.rstrip(b"\n")])
    assert (outcome.error, outcome.done) == (None, True)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", UpstreamMalformed),
        (b"<html>no</html>", UpstreamMalformed),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}', ProviderError),
        (event("error", error={"type": "overloaded_error", "message": "Busy"}), ProviderError),
        (event("content_block_stop", index=0), UpstreamMalformed),
        (b"data: garbage\n\n", UpstreamMalformed),
        (event("ping"), UpstreamMalformed),
    ],
)
def test_what_is_no_stream_is_an_error_before_anything_is_sent(body: bytes, kind: type[Exception]) -> None:
    outcome = relayed(body)
    assert isinstance(outcome.error, kind)
    assert outcome.out == b""


def test_an_error_in_the_middle_ends_the_stream_behind_what_was_said() -> None:
    said = b"".join(answers.anthropic_stream()[:5])
    overloaded = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    outcome = relayed(said + overloaded)
    assert outcome.out == said
    assert isinstance(outcome.error, ProviderError)
    assert outcome.error.http_status == 503


def test_an_end_without_a_stop_reason_is_a_cut() -> None:
    events = answers.anthropic_stream()
    assert isinstance(relayed(b"".join([*events[:-2], events[-1]])).error, UpstreamCut)


def test_everything_that_the_model_wrote_is_counted() -> None:
    def delta(**fields: object) -> bytes:
        return event("content_block_delta", index=0, delta=fields)

    call = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    body = b"".join(
        [
            answers.anthropic_stream()[0],
            delta(type="text_delta", text="ä"),
            delta(type="thinking_delta", thinking="abc"),
            delta(type="signature_delta", signature="not counted"),
            event("content_block_start", index=1, content_block=call),
            delta(type="input_json_delta", partial_json='{"q":1}'),
            *answers.anthropic_stream()[-2:],
        ]
    )
    assert relayed(body).produced_bytes == 2 + 3 + len("web_search") + 7


def test_the_count_of_tokens() -> None:
    assert counted_tokens(b'{"input_tokens": 5}', CLAUDE).input_tokens == 5
    for body in (b"", b"{}", b'{"input_tokens": -1}', b'{"input_tokens": "x"}', b"[]"):
        with pytest.raises(UpstreamMalformed):
            counted_tokens(body, CLAUDE)
    with pytest.raises(ProviderError):
        counted_tokens(b'{"type":"error","error":{"type":"api_error","message":"x"}}', CLAUDE)


def test_chat_at_anthropic_speaks_the_version_that_takes_sampling() -> None:
    facts = msgspec.structs.replace(FACTS, pass_on={"anthropic-version": "2026-10-21"})
    made = BACKENDS[Dialect.ANTHROPIC].chat_request(chat(), CLAUDE, facts)
    assert made.headers["anthropic-version"] == "2023-06-01"
    assert NATIVE.request(ask(), CLAUDE, facts).headers["anthropic-version"] == "2026-10-21"
