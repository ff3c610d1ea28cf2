"""Rules about contents on every surface: what stays local, what is redacted, what is refused."""

import asyncio
import base64
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from functions.calls.off_loop import LONG_BYTES
from functions.messages import count_tokens
from models_registry.config.guardrails import GuardrailRules, Moment
from runtime.blueprint import check
from schema.errors.base import GatewayError
from schema.errors.models import GuardrailRefused, NotLocal
from schema.ledger.rows import Outcome
from schema.ledger.spend_metadata import metadata_of
from schema.messages import CountRequest
from schema.wire import decode_body
from tests.fakes.answers import openai_chat
from tests.fakes.guardrails import FakeGuardrails
from tests.fakes.state import FakeState
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.calls.surfaces import PAIRS, STREAMS, SURFACES, WHOLE
from tests.functions.calls.test_guarded import Gate, chunks_of, told_by
from tests.functions.contexts import ONE_ATTEMPT, model_ctx

CARD = "4111 1111 1111 1111"
NEAR = json.loads(json.dumps(ONE_ATTEMPT))
NEAR["model_list"][2]["litellm_params"]["api_base"] = "http://127.0.0.1:11434"
NEAR["model_list"].append(
    {
        "model_name": "gpt",
        "litellm_params": {"model": "openai/house", "api_base": "http://127.0.0.1:9/v1", "api_key": "k"}
        | {"residency": "local", "weight": 0.001},
    }
)


def ruled(action: str, *, find: Any = ("card", "email"), unread: str | None = None, **more: Any) -> Gate:
    general: dict[str, Any] = {
        "content_rules": [{"name": "cards", "find": list(find), "action": action, **more}]
    }
    if unread is not None:
        general["content_rules_unread"] = unread
    checked = check({"general_settings": general}, {})
    assert checked.errors == ()
    door = FakeGuardrails()
    door.rules = GuardrailRules(contents=checked.guardrails.contents)
    return Gate(door, config=NEAR)


def saying(surface: str, text: str) -> dict[str, Any]:
    usual = SURFACES[surface][2]
    name = next(name for name in ("messages", "prompt", "input") if name in usual)
    return {name: [{"role": "user", "content": text}] if name == "messages" else text}


@pytest.mark.parametrize(("surface", "model"), PAIRS)
def test_what_is_redacted_goes_out_nowhere(surface: str, model: str) -> None:
    gate = ruled("redact")
    gate.ask(surface, model, **saying(surface, f"pay {CARD} to ada@example.org"))
    body = gate.sent[0]
    assert b"pay [CARDS] to [CARDS]" in body
    assert b"4111" not in body
    (record,) = metadata_of(gate.ledger.rows[-1]).guardrail_information
    assert (record["guardrail_name"], record["action"], record["checks"]) == ("cards", "REDACTED", 2)


@pytest.mark.parametrize(("surface", "model"), PAIRS)
def test_what_is_refused_is_refused_by_name_before_anything_is_sent(surface: str, model: str) -> None:
    gate = ruled("refuse")
    with pytest.raises(GuardrailRefused, match="The rule `cards` refuses the request") as refused:
        gate.ask(surface, model, **saying(surface, CARD))
    assert gate.sent == []
    assert "4111" not in refused.value.message
    (row,) = gate.ledger.rows
    assert (row.outcome, row.http_status) == (Outcome.REFUSED, 400)
    assert metadata_of(row).guardrail_information[0]["action"] == "BLOCKED"
    gate.ask(surface, model)
    assert len(gate.sent) == 1


@pytest.mark.parametrize(("surface", "model"), [pair for pair in PAIRS if pair[1] != "mistral-local"])
def test_what_stays_local_goes_to_local_deployments_alone(surface: str, model: str) -> None:
    gate = ruled("local_only")
    if model == "claude":
        with pytest.raises(NotLocal):
            gate.ask(surface, model, **saying(surface, CARD))
        assert gate.sent == []
    else:
        gate.ask(surface, model, **saying(surface, CARD))
        (request,) = gate.upstream.requests
        assert request.url.startswith("http://127.0.0.1:9/")
        assert gate.ledger.rows[-1].stays_local == "rule:cards"
    gate.ask(surface, model)
    assert gate.ledger.rows[-1].stays_local == ""


def test_a_response_that_a_rule_keeps_local_is_not_stored_and_goes_on_local() -> None:
    gate = ruled("local_only")
    state = FakeState()
    request: Any = decode_body(
        msgspec.json.Decoder(SURFACES["responses"][1]), json.dumps({"model": "gpt", "input": CARD}).encode()
    )
    upstream = FakeUpstream(Answer(body=openai_chat()))
    ctx = model_ctx(upstream, config=NEAR, guardrails=gate.shield, state=state, call_type="aresponses")

    async def run() -> Any:
        return await SURFACES["responses"][0](request, ctx)

    answer = asyncio.run(run())
    assert ctx.call.stays_local == "rule:cards"
    assert b'"store":true' not in (answer.wire or msgspec.json.encode(answer))
    assert upstream.requests[0].url.startswith("http://127.0.0.1:9/")


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": "x", "name": CARD}]},
        {"messages": [{"role": "tool", "tool_call_id": "4111111111111111", "content": "x"}]},
        {"tools": [{"type": "function", "function": {"name": "f", "description": CARD, "parameters": {}}}]},
        {"stop": [CARD]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": each} for each in CARD.split()]}
            ]
        },
        {"user": "ada@example.org"},
        {"prediction": {"type": "content", "content": CARD}},
        {"seed": 4111111111111111},
        {"some_new_field": {"ada@example.org": 1}},
        {"metadata": {"a": CARD}, "store": True},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "4111\u200b1111\u200b11111111"}]}
            ]
        },
    ],
)
def test_no_field_is_forgotten(fields: dict[str, Any]) -> None:
    gate = ruled("refuse")
    with pytest.raises(GuardrailRefused):
        gate.ask(**fields)


@pytest.mark.parametrize("pattern", ["user", "text", "content", "messages", "function", "token"])
def test_words_of_the_format_are_no_contents(pattern: str) -> None:
    gate = ruled("redact", find=(), pattern=pattern)
    tools = [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    ]
    gate.ask(
        messages=[{"role": "user", "content": [{"type": "text", "text": f"a {pattern} b"}]}],
        tools=tools,
        max_tokens=9,
    )
    sent = json.loads(gate.sent[0])
    assert sent["messages"][0]["role"] == "user"
    assert b"a [CARDS] b" in gate.sent[0]
    with pytest.raises(GuardrailRefused, match="in an id"):
        gate.ask(messages=[{"role": "tool", "tool_call_id": f"{pattern}_1", "content": "x"}])


def test_what_never_goes_out_is_not_judged() -> None:
    gate = ruled("refuse")
    gate.ask(metadata={"who": "ada@example.org"}, litellm_metadata={"a": CARD})
    assert len(gate.sent) == 1


def test_what_can_not_be_redacted_is_refused() -> None:
    gate = ruled("redact", unread="pass")
    text = "data:text/plain;base64," + base64.b64encode(CARD.encode()).decode()
    for fields in (
        {"seed": 4111111111111111},
        {"metadata": {"ada@example.org": "x"}, "store": True},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": text}}]}]},
    ):
        with pytest.raises(GuardrailRefused, match="cards"):
            gate.ask(**fields)


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
ADDRESS = {"type": "image_url", "image_url": {"url": "https://pictures.example/card.png"}}


@pytest.mark.parametrize("part", [PICTURE, ADDRESS], ids=["file", "address"])
@pytest.mark.parametrize(
    ("action", "unread", "becomes"),
    [
        ("refuse", None, "refused"),
        ("redact", None, "refused"),
        ("local_only", None, "local"),
        ("refuse", "pass", "sent"),
        ("redact", "local_only", "local"),
    ],
)
def test_a_file_that_can_not_be_read_is_judged_as_the_config_says(
    part: dict[str, Any], action: str, unread: str | None, becomes: str
) -> None:
    gate = ruled(action, unread=unread)
    messages = [{"role": "user", "content": [part]}]
    if becomes == "refused":
        with pytest.raises(GuardrailRefused, match="content_rules_unread"):
            gate.ask(messages=messages)
        return
    with suppress(GatewayError):  # an address is refused where a call stays local
        gate.ask(messages=messages)
    assert bool(gate.sent) or becomes == "local"
    call = gate.call
    assert call is not None
    assert call.stays_local == ("rule:content_rules_unread" if becomes == "local" else "")


def test_a_field_that_stands_twice_is_refused_whatever_is_done_with_files() -> None:
    for unread in ("pass", "local_only", "refuse"):
        gate = ruled("local_only", unread=unread)
        twice = '[{"role":"user","content":"' + CARD + '","content":"hi"}]'
        with pytest.raises(GuardrailRefused, match=r"content_rules_unread.*twice"):
            gate.ask(raw=twice)
        assert gate.sent == []


@pytest.mark.parametrize("surface", ["completions", "embeddings"])
@pytest.mark.parametrize("tokens", [[1, 2], [[1], [2]]])
def test_numbers_of_tokens_are_judged_as_what_can_not_be_read(surface: str, tokens: Any) -> None:
    name = "prompt" if surface == "completions" else "input"
    with pytest.raises(GuardrailRefused, match="numbers of its tokens"):
        ruled("refuse").ask(surface, **{name: tokens})
    if surface == "embeddings":
        gate = ruled("refuse", unread="pass")
        gate.ask(surface, **{name: tokens})
        assert len(gate.sent) == 1


def test_a_text_that_looks_like_a_file_is_judged_as_both() -> None:
    gate = ruled("refuse", unread="pass")
    hidden = "data:text/plain;base64," + base64.b64encode(CARD.encode()).decode()
    for text in (f"data:;base64,{CARD}", hidden):
        with pytest.raises(GuardrailRefused, match="`cards`"):
            gate.ask(**saying("chat", text))


def test_counting_tokens_at_a_provider_goes_by_the_rules_too() -> None:
    gate = ruled("redact")
    upstream = FakeUpstream(Answer(body=b'{"input_tokens":3}'))
    ctx = model_ctx(upstream, guardrails=gate.shield)
    body = {"model": "claude", "messages": [{"role": "user", "content": CARD}]}
    asyncio.run(count_tokens(decode_body(msgspec.json.Decoder(CountRequest), json.dumps(body).encode()), ctx))
    assert b"[CARDS]" in upstream.requests[0].body


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"name": "a b", "find": "card", "action": "redact"}, "name"),
        ({"name": "a", "find": "passport", "action": "redact"}, "find"),
        ({"name": "a", "find": "card", "action": "drop"}, "action"),
        ({"name": "a", "action": "redact"}, "find"),
        ({"name": "a", "pattern": "(?=x)y", "action": "redact"}, "pattern"),
        ({"name": "a", "pattern": "x*", "action": "redact"}, "pattern"),
        ({"name": "a", "find": "card", "action": "redact", "replacement": 5}, "replacement"),
        ({"name": "a", "find": "card", "action": "redact", "replacment": "x"}, "replacment"),
        ({"name": "a", "find": [5], "action": "redact"}, "find"),
        ({"name": "a", "find": "card", "action": "redact", "reads": "all"}, "reads"),
        ({"name": "a", "find": "card", "action": "local_only", "reads": "answer"}, "reads"),
        ({"name": "a", "find": "card", "action": "local_only", "reads": "both"}, "reads"),
    ],
)
def test_what_is_wrong_with_a_rule_is_an_error_with_its_path(rule: dict[str, Any], path: str) -> None:
    (error, *_) = check({"general_settings": {"content_rules": [rule]}}, {}).errors
    assert error.startswith(f"general_settings.content_rules[0].{path}: ")


STREAMED = [False, True]


def answering(surface: str, model: str, stream: bool, text: str) -> Answer:
    """What a provider answers, with this text in place of what the tests' provider says."""
    if stream:
        first, *more = STREAMS[model]
        pieces = [first, *more]
        return Answer(chunks=[each.replace(b"Switch", text.encode()) for each in pieces])
    return Answer(body=WHOLE[model].replace(b"Switchgear", text.encode()))


@pytest.mark.parametrize("stream", STREAMED)
@pytest.mark.parametrize(("surface", "model"), [pair for pair in PAIRS if pair[0] != "embeddings"])
def test_an_answer_is_redacted_or_refused_where_a_rule_reads_answers(
    surface: str, model: str, stream: bool
) -> None:
    fields: dict[str, Any] = {"stream": True} if stream else {}
    script = (answering(surface, model, stream, CARD),)
    unread = ruled("refuse")
    assert CARD.encode() in unread.ask(surface, model, script=script, **fields), "it reads requests alone"
    gate = ruled("redact", reads="both")
    sent = gate.ask(surface, model, script=script, **fields)
    assert b"4111" not in sent
    assert b"[CARDS]" in sent
    record = metadata_of(gate.ledger.rows[-1]).guardrail_information[-1]
    assert (record["guardrail_name"], record["guardrail_mode"], record["action"]) == (
        "cards",
        "post_call",
        "REDACTED",
    )
    assert ("cards", "post_call", "REDACTED") in gate.shield.counts
    gate = ruled("refuse", reads="answer")
    with pytest.raises(GuardrailRefused, match="The rule `cards` refuses the answer"):
        gate.ask(surface, model, script=script, **saying(surface, CARD), **fields)
    (row,) = gate.ledger.rows
    assert (row.outcome, row.http_status) == (Outcome.FAILED, 400)
    assert row.completion_tokens > 0, "the provider's usage is booked"


@pytest.mark.parametrize("size", [1, 4, 7])
def test_a_rule_reads_a_stream_over_its_windows(size: int) -> None:
    said = "word " * 130 + CARD + " word" * 130
    pieces = [(0, said[at : at + size]) for at in range(0, len(said), size)]
    gate = ruled("redact", reads="answer")
    sent = gate.ask(script=(Answer(chunks=[*chunks_of(*pieces, (0, "")), b"data: [DONE]\n\n"]),), stream=True)
    assert told_by(sent) == said.replace(CARD, "[CARDS]")


def test_rules_read_an_answer_before_any_guardrail_and_what_they_changed_is_not_kept() -> None:
    gate = ruled("redact", reads="answer")
    shield = FakeGuardrails("shield", default_on=True, moments=(Moment.AFTER,))
    shield.rules = msgspec.structs.replace(shield.rules, contents=gate.shield.rules.contents)
    for stream in STREAMED:
        both = Gate(shield, config=NEAR, cached=True)
        for _ in range(2):
            both.ask(script=(answering("chat", "gpt", stream, CARD),), stream=stream)
            assert len(both.sent) == 1
        assert all("4111" not in "".join(each["texts"]) for each in shield.questions)


@pytest.mark.parametrize("stream", STREAMED)
def test_an_answer_of_the_cache_is_read_too(stream: bool) -> None:
    gate = ruled("refuse", reads="answer")
    rules, door = gate.shield.rules, FakeGuardrails()
    cached = Gate(door, config=NEAR, cached=True)
    cached.ask(script=(answering("chat", "gpt", stream, CARD),), stream=stream)
    door.rules = rules
    with pytest.raises(GuardrailRefused, match="refuses the answer"):
        cached.ask(stream=stream)
    assert cached.sent == []
    assert cached.ledger.rows[-1].cost_nano == 0


def test_a_long_request_and_a_long_answer_are_read_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    apart: list[str] = []
    in_thread = asyncio.to_thread

    async def noted(do: Any, *args: Any, **more: Any) -> Any:
        apart.append(do.__name__)
        return await in_thread(do, *args, **more)

    monkeypatch.setattr(asyncio, "to_thread", noted)
    gate = ruled("redact", reads="both")
    gate.ask(**saying("chat", "x"))
    assert apart == []
    long = "x " * LONG_BYTES
    gate.ask(script=(answering("chat", "gpt", False, long),), **saying("chat", long + CARD))
    assert apart == ["screened", "screened_answer"]
    assert b"[CARDS]" in gate.sent[0]


def test_rules_are_applied_one_after_another() -> None:
    general = {
        "content_rules": [
            {"name": "mail", "find": "email", "action": "redact"},
            {"name": "cards", "find": "card", "action": "local_only"},
            {"name": "files", "pattern": "az-[0-9]{6}", "ignore_case": True, "action": "refuse"},
        ]
    }
    checked = check({"general_settings": general}, {})
    assert checked.errors == ()
    door = FakeGuardrails()
    door.rules = checked.guardrails
    gate = Gate(door, config=NEAR)
    gate.ask(**saying("chat", f"{CARD} ada@example.org"))
    assert b"[MAIL]" in gate.sent[0]
    assert gate.ledger.rows[-1].stays_local == "rule:cards"
    with pytest.raises(GuardrailRefused, match="`files`"):
        gate.ask(**saying("chat", "file AZ-123456"))
