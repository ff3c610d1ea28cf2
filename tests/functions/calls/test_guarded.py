"""Guardrails in calls of every surface: what they are asked, what becomes of it, and what is booked."""

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import pytest

from functions.calls.guarded import APPLIED_HEADER
from functions.contract.call import Call, Caller
from functions.messages import count_tokens
from functions.ports.cache import NO_CACHE, Cache
from functions.ports.guardrails import Verdict
from models_registry.config.guardrails import Moment
from models_registry.target import Residency
from schema.errors.base import GatewayError
from schema.errors.models import GuardrailNotLocal, GuardrailRefused
from schema.errors.overload import GuardrailUnavailable
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import UpstreamCut
from schema.ledger.rows import Outcome
from schema.ledger.spend_metadata import metadata_of
from schema.messages import CountRequest
from schema.secret import Secret
from schema.wire import Wire, decode_body, to_json
from tests.fakes import answers
from tests.fakes.cache import local_cache
from tests.fakes.guardrails import FakeGuardrails
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.calls.surfaces import PAIRS, SURFACES, answer_of
from tests.functions.contexts import CONFIG, MEMBER, ONE_ATTEMPT, model_ctx

TEXT = "".join(answers.TEXT)
TALKING = [(surface, model) for surface, model in PAIRS if surface != "embeddings"]
AFTER = (Moment.AFTER,)


def streaming(stream: bool) -> dict[str, Any]:
    return {"stream": True} if stream else {}


class Gate:
    """Calls that pass guardrails. What was sent to the provider is in `sent`."""

    def __init__(self, shield: FakeGuardrails, *, config: Any = ONE_ATTEMPT, cached: bool = False):
        self.shield = shield
        self.config = dict(config)
        self.ledger = FakeLedger()
        self.cache: Cache = local_cache() if cached else NO_CACHE
        self.sent: list[bytes] = []
        self.upstream = FakeUpstream(Answer())
        self.call: Call | None = None

    def ask(
        self,
        surface: str = "chat",
        model: str = "gpt",
        *,
        script: tuple[Answer | Any, ...] = (),
        caller: Caller = MEMBER,
        facts: Mapping[str, Any] = {},
        leave_after: int | None = None,
        raw: str | None = None,
        **fields: Any,
    ) -> bytes:
        """What the client is sent, also where a stream fails after it began. `raw` stands for the messages,
        as it comes."""
        function, kind, usual, call_type = SURFACES[surface]
        written = json.dumps({"model": model, **usual, **fields})
        if raw is not None:
            written = written.replace(json.dumps(usual["messages"]), raw)
        request: Wire = decode_body(msgspec.json.Decoder(kind), written.encode())
        self.upstream = FakeUpstream(*(script or (answer_of(surface, model, fields.get("stream")),)))
        ctx = model_ctx(
            self.upstream,
            caller=caller,
            ledger=self.ledger,
            config=self.config,
            guardrails=self.shield,
            cache=self.cache,
            **{"call_type": call_type, **facts},
        )
        self.call = ctx.call

        async def run() -> bytes:
            answer = await function(request, ctx)
            if isinstance(answer, Wire):
                return answer.wire or to_json(answer)
            out = []
            try:
                async for piece in answer.events():
                    out.append(piece)
                    if leave_after is not None and len(out) >= leave_after:
                        break
            except GatewayError as error:
                out.append(answer.failed(error))
            finally:
                answer.close()
            return b"".join(out)

        try:
            return asyncio.run(run())
        except GatewayError as error:
            self.ledger.refuse(ctx.call, error, model=model)
            raise
        finally:
            self.sent = [bytes(each.body) for each in self.upstream.requests]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("surface", "model"), PAIRS)
def test_a_guardrail_that_lets_everything_pass_changes_no_byte(
    surface: str, model: str, stream: bool
) -> None:
    fields: dict[str, Any] = {"stream": True} if stream and surface != "embeddings" else {}
    plain = Gate(FakeGuardrails())
    before = plain.ask(surface, model, **fields)
    shield = FakeGuardrails("shield", default_on=True, moments=(Moment.BEFORE, Moment.AFTER), window_chars=7)
    gate = Gate(shield)
    assert gate.ask(surface, model, **fields) == before
    assert gate.sent == plain.sent
    first = shield.questions[0]
    assert (first["input_type"], first["texts"], first["model"]) == ("request", ["Hello"], model)
    said = [each["texts"] for each in shield.questions if each["input_type"] == "response"]
    if surface != "embeddings":
        assert any(TEXT.startswith(text) or TEXT in text for texts in said for text in texts)
    row = gate.ledger.rows[-1]
    assert row.outcome is Outcome.OK
    assert metadata_of(row).applied_guardrails == ["shield"]


@pytest.mark.parametrize(("surface", "model"), PAIRS)
def test_a_refusal_before_the_call_sends_nothing(surface: str, model: str) -> None:
    shield = FakeGuardrails(
        "shield", default_on=True, says=lambda question: Verdict(refuses=True, reason="No.")
    )
    gate = Gate(shield)
    with pytest.raises(
        GuardrailRefused, match=r"The guardrail `shield` refuses the request: No\."
    ) as refused:
        gate.ask(surface, model)
    assert (refused.value.http_status, gate.sent) == (400, [])
    (row,) = gate.ledger.rows
    assert (row.outcome, row.cost_nano, row.http_status) == (Outcome.REFUSED, 0, 400)
    (record,) = metadata_of(row).guardrail_information
    assert (record["guardrail_name"], record["action"]) == ("shield", "BLOCKED")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("surface", "model"), TALKING)
def test_a_refusal_after_the_call_books_what_the_provider_reported(
    surface: str, model: str, stream: bool
) -> None:
    shield = FakeGuardrails(
        "shield", default_on=True, moments=AFTER, says=lambda question: Verdict(refuses=True)
    )
    gate = Gate(shield)
    with pytest.raises(GuardrailRefused):
        gate.ask(surface, model, **streaming(stream))
    (row,) = gate.ledger.rows
    used = (row.prompt_tokens, row.completion_tokens)
    assert used == (answers.PROMPT_TOKENS, answers.COMPLETION_TOKENS)
    assert (row.outcome, row.http_status, row.error_class) == (Outcome.FAILED, 400, "GuardrailRefused")
    assert row.cost_nano > 0 or model == "mistral-local"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("surface", "model"), TALKING)
def test_what_a_guardrail_changes_is_what_goes_out_and_comes_back(
    surface: str, model: str, stream: bool
) -> None:
    def hide(question: Any) -> Verdict:
        return Verdict(
            texts=tuple(
                each.replace("Hello", "[NAME]").replace("Switchgear", "[NAME]") for each in question["texts"]
            )
        )

    shield = FakeGuardrails(
        "shield",
        default_on=True,
        moments=(Moment.BEFORE, Moment.AFTER),
        says=hide,
        window_chars=4,
        held_chars=20,
    )
    gate = Gate(shield)
    sent = gate.ask(surface, model, **streaming(stream))
    assert b"Hello" not in gate.sent[0]
    assert b"[NAME]" in gate.sent[0]
    assert b"[NAME]" in sent
    for secret in (b"Switchgear", b'"Switch"', b'"gear"'):
        assert secret not in sent
    assert metadata_of(gate.ledger.rows[-1]).guardrail_information[0]["action"] == "GUARDRAIL_INTERVENED"


def test_a_stream_that_is_refused_in_the_middle_ends_with_the_error_and_is_cut_off() -> None:
    words = [f"word{number} " for number in range(40)] + ["secret "] + ["tail "] * 200
    chunks = answers.sse(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "gpt-4",
            "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}],
        }
        for word in words
    )
    shield = FakeGuardrails(
        "shield",
        default_on=True,
        moments=AFTER,
        window_chars=50,
        held_chars=20,
        says=lambda question: Verdict(refuses="secret" in "".join(question["texts"])),
    )
    gate = Gate(shield)
    sent = gate.ask(script=(Answer(chunks=chunks),), stream=True)
    assert b"word1 " in sent
    assert b"secret" not in sent
    assert b"tail" not in sent
    assert b'"reason":"guardrail_refused"' in sent
    assert b"[DONE]" not in sent
    assert gate.upstream.responses[0].closed
    (row,) = gate.ledger.rows
    assert (row.outcome, row.estimated, row.error_class) == (Outcome.FAILED, True, "GuardrailRefused")
    assert row.completion_tokens >= 40


def test_no_phrase_is_cut_in_two_by_windows() -> None:
    """Whatever the cuts are, a phrase that fits into what is held back is never sent in part."""
    said = "x" * 37 + "4111 1111" + "y" * 90
    for size in (1, 2, 3, 7, 11):
        pieces = [said[at : at + size] for at in range(0, len(said), size)]
        chunks = answers.sse(
            {"id": "c", "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces
        )
        chunks.append(
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        )
        shield = FakeGuardrails(
            "shield",
            default_on=True,
            moments=AFTER,
            window_chars=10,
            held_chars=20,
            says=lambda question: Verdict(
                texts=tuple(each.replace("4111 1111", "[CARD]") for each in question["texts"])
            ),
        )
        sent = Gate(shield).ask(script=(Answer(chunks=chunks),), stream=True)
        events = [json.loads(line[6:]) for line in sent.split(b"\n\n") if line.startswith(b"data: {")]
        told = "".join(each["choices"][0]["delta"].get("content", "") for each in events)
        assert told == said.replace("4111 1111", "[CARD]")


@pytest.mark.parametrize("unreached", [False, True])
@pytest.mark.parametrize(
    "facts", [{}, {"opens_unreached": True}, {"opens_failed": True}], ids=["closed", "unreached", "open"]
)
@pytest.mark.parametrize("moment", list(Moment))
def test_a_guardrail_that_fails_closes_or_opens_by_choice(
    moment: Moment, facts: dict[str, bool], unreached: bool, caplog: pytest.LogCaptureFixture
) -> None:
    error = GuardrailUnavailable("The guardrail `shield` did not answer within 1 s.")
    error.unreached = unreached
    gate = Gate(
        FakeGuardrails("shield", default_on=True, moments=(moment,), says=lambda question: error, **facts)
    )
    opens = "opens_failed" in facts or ("opens_unreached" in facts and unreached)
    if opens:
        assert TEXT.encode() in gate.ask()
        assert caplog.records[0].levelname == "CRITICAL"
    else:
        with pytest.raises(GuardrailUnavailable):
            gate.ask()
    (row,) = gate.ledger.rows
    (record,) = metadata_of(row).guardrail_information
    assert (record["action"], record["guardrail_status"]) == ("FAILED", "guardrail_failed_to_respond")
    if not opens:
        paid = moment is Moment.AFTER
        assert (row.prompt_tokens > 0, len(gate.sent)) == (paid, int(paid))


def test_a_failing_guardrail_makes_no_other_attempt_after_an_answer_that_was_paid_for() -> None:
    error = GuardrailUnavailable("late")
    shield = FakeGuardrails("shield", default_on=True, moments=AFTER, says=lambda question: error)
    gate = Gate(shield, config=CONFIG | {"router_settings": {"num_retries": 3}})
    for stream in (False, True):
        with pytest.raises(GuardrailUnavailable):
            gate.ask(stream=stream)
        assert len(gate.sent) == 1


def test_models_keys_and_requests_name_guardrails_beside_those_of_everybody() -> None:
    config = json.loads(json.dumps(ONE_ATTEMPT))
    config["model_list"][0]["litellm_params"]["guardrails"] = ["of-model"]
    gate = Gate(FakeGuardrails("of-key", "of-model", "asked", "other"), config=config)
    caller = msgspec.structs.replace(MEMBER, guardrails=("of-key",))
    gate.ask(caller=caller, guardrails=["asked"])
    assert [each["guardrail"] for each in gate.shield.questions] == ["of-key", "of-model", "asked"]
    assert b"guardrails" not in gate.sent[0]
    assert gate.call is not None
    assert gate.call.reply_headers[APPLIED_HEADER] == "of-key,of-model,asked"
    gate.shield.questions.clear()
    gate.ask(model="claude")
    assert gate.shield.questions == []


@pytest.mark.parametrize(("surface", "model"), PAIRS)
def test_the_guardrails_that_a_request_names_go_to_no_provider(surface: str, model: str) -> None:
    gate = Gate(FakeGuardrails("mine"))
    gate.ask(surface, model, guardrails=["mine"])
    assert b"guardrails" not in gate.sent[0]
    assert [each["guardrail"] for each in gate.shield.questions] == ["mine"]
    gate.ask(surface, model, guardrails=[])
    assert len(gate.shield.questions) == 1


def test_a_guardrail_that_is_not_there_lets_nothing_pass() -> None:
    gate = Gate(FakeGuardrails())
    with pytest.raises(GuardrailUnavailable, match="'gone', which this call has to pass, is not in force"):
        gate.ask(caller=msgspec.structs.replace(MEMBER, guardrails=("gone",)))
    with pytest.raises(InvalidRequest, match="there is no guardrail 'mine'"):
        gate.ask(guardrails=["mine"])
    with pytest.raises(InvalidRequest, match="expected a list"):
        gate.ask(guardrails={"pii": {}})
    assert gate.sent == []


def test_a_call_that_stays_local_asks_local_guardrails_alone() -> None:
    local = {"facts": {"stays_local": "team"}, "model": "mistral-local"}
    config = json.loads(json.dumps(ONE_ATTEMPT))
    config["model_list"][2]["litellm_params"]["api_base"] = "http://127.0.0.1:11434"
    for moment in Moment:
        away = Gate(FakeGuardrails("away", default_on=True, moments=(moment,)), config=config)
        with pytest.raises(GuardrailNotLocal, match="the guardrail `away`"):
            away.ask(**local)  # type: ignore[arg-type]
        assert (away.sent, away.shield.questions) == ([], [])
        for residency, near in ((Residency.NEAR, True), (Residency.LOCAL, True), (Residency.TRUSTED, False)):
            shield = FakeGuardrails("here", default_on=True, moments=(moment,), residency=residency)
            Gate(shield, config=config).ask(**local)  # type: ignore[arg-type]
            assert shield.near == [near]


def test_an_answer_of_the_cache_passes_the_guardrails_of_who_gets_it() -> None:
    def no_gear(question: Any) -> Verdict:
        return Verdict(refuses="Switchgear" in "".join(question["texts"]))

    for stream in (False, True):
        gate = Gate(FakeGuardrails("strict", moments=AFTER, says=no_gear), cached=True)
        first = gate.ask(stream=stream)
        assert gate.ask(stream=stream) == first
        assert gate.sent == []
        strict = msgspec.structs.replace(MEMBER, guardrails=("strict",))
        with pytest.raises(GuardrailRefused):
            gate.ask(caller=strict, stream=stream)
        assert gate.sent == []
        assert (gate.ledger.rows[-1].cost_nano, gate.ledger.rows[-1].http_status) == (0, 400)


def test_what_a_guardrail_refused_or_changed_is_not_kept() -> None:
    for stream in (False, True):
        shield = FakeGuardrails("shield", default_on=True, moments=AFTER)
        gate = Gate(shield, cached=True)
        shield.says = lambda question: Verdict(refuses=True)
        with pytest.raises(GuardrailRefused):
            gate.ask(stream=stream)
        shield.says = lambda question: Verdict(texts=tuple("[OUT]" for _ in question["texts"]))
        gate.ask(stream=stream)
        assert len(gate.sent) == 1
        shield.says = lambda question: Verdict()
        gate.ask(stream=stream)
        assert len(gate.sent) == 1, "neither was kept"
        gate.ask(stream=stream)
        assert gate.sent == [], "what passed was"


def test_a_request_is_asked_about_once_for_all_its_attempts() -> None:
    shield = FakeGuardrails("shield", default_on=True)
    gate = Gate(shield, config=CONFIG | {"router_settings": {"num_retries": 2}})
    failing = Answer(status=500, body=b'{"error":{"message":"down","type":"server_error"}}')
    gate.ask(script=(failing, failing, answer_of("chat", "gpt", False)))
    assert (len(gate.sent), len(shield.questions)) == (3, 1)


def test_a_stream_that_breaks_before_its_first_window_is_tried_again() -> None:
    shield = FakeGuardrails("shield", default_on=True, moments=AFTER, window_chars=1000)
    gate = Gate(shield, config=CONFIG | {"router_settings": {"num_retries": 1}})
    broken = Answer(chunks=answers.openai_stream()[:3], error=UpstreamCut("cut"))
    sent = gate.ask(script=(broken, answer_of("chat", "gpt", True)), stream=True)
    assert sent == b"".join(answers.openai_stream()) or b"[DONE]" in sent
    assert [row.outcome for row in gate.ledger.rows] == [Outcome.FAILED, Outcome.OK]
    assert [row.final for row in gate.ledger.rows] == [False, True]


def test_a_client_that_leaves_a_guarded_stream_is_booked_once() -> None:
    shield = FakeGuardrails("shield", default_on=True, moments=AFTER, window_chars=5, held_chars=0)
    gate = Gate(shield)
    gate.ask(stream=True, leave_after=1)
    (row,) = gate.ledger.rows
    assert row.outcome is Outcome.CANCELLED
    whole = FakeGuardrails("shield", default_on=True, moments=AFTER, window_chars=1000)
    gate = Gate(whole)
    gate.ask(stream=True, leave_after=1)
    (row,) = gate.ledger.rows
    assert (row.outcome, row.completion_tokens) == (Outcome.OK, answers.COMPLETION_TOKENS)


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_while_a_guardrail_hangs_is_booked(moment: Moment, stream: bool) -> None:
    class Hanging(FakeGuardrails):
        async def ask(self, *args: Any, **more: Any) -> Verdict:
            await asyncio.Event().wait()
            raise AssertionError

    ledger = FakeLedger()
    function, kind, usual, call_type = SURFACES["chat"]
    body = {"model": "gpt", **usual, "stream": stream}
    request: Wire = decode_body(msgspec.json.Decoder(kind), json.dumps(body).encode())
    ctx = model_ctx(
        FakeUpstream(answer_of("chat", "gpt", stream)),
        ledger=ledger,
        guardrails=Hanging("shield", default_on=True, moments=(moment,)),
        call_type=call_type,
    )

    async def run() -> None:
        task = asyncio.ensure_future(function(request, ctx))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert not ledger.sink.held
    if moment is Moment.BEFORE:
        assert ledger.rows == []
    else:
        (row,) = ledger.rows
        assert row.completion_tokens == answers.COMPLETION_TOKENS
        assert row.outcome is (Outcome.OK if stream else Outcome.CANCELLED)


def test_a_fault_of_the_gateway_in_the_opening_of_a_guarded_stream_is_booked_as_one() -> None:
    class Broken(FakeGuardrails):
        async def ask(self, *args: Any, **more: Any) -> Verdict:
            raise ZeroDivisionError

    gate = Gate(Broken("shield", default_on=True, moments=AFTER))
    with pytest.raises(ZeroDivisionError):
        gate.ask(stream=True)
    (row,) = gate.ledger.rows
    assert (row.outcome, row.completion_tokens) == (Outcome.FAILED, answers.COMPLETION_TOKENS)
    assert not gate.ledger.sink.held


def test_counting_tokens_at_a_provider_passes_guardrails_too() -> None:
    shield = FakeGuardrails("shield", default_on=True, says=lambda question: Verdict(refuses=True))
    upstream = FakeUpstream(Answer(body=b'{"input_tokens":3}'))
    ctx = model_ctx(upstream, guardrails=shield)
    body = {"model": "claude", "messages": [{"role": "user", "content": "Hello"}]}
    request = decode_body(msgspec.json.Decoder(CountRequest), json.dumps(body).encode())
    with pytest.raises(GuardrailRefused):
        asyncio.run(count_tokens(request, ctx))
    shield.says = lambda question: Verdict(texts=("[NAME]",))
    asyncio.run(count_tokens(request, ctx))
    assert b"[NAME]" in upstream.requests[0].body
    assert b"Hello" not in upstream.requests[0].body


def test_what_a_guardrail_says_gives_no_credential_away() -> None:
    shield = FakeGuardrails(
        "shield",
        default_on=True,
        api_key=Secret("guard-key-12345"),
        says=lambda question: Verdict(
            refuses=True, reason="key guard-key-12345 and sk-abcdefghijklmnop\n" * 50
        ),
    )
    with pytest.raises(GuardrailRefused) as refused:
        Gate(shield).ask()
    assert "guard-key" not in refused.value.message
    assert "sk-abc" not in refused.value.message
    assert len(refused.value.message) < 600


def test_of_a_call_that_stays_local_the_guardrails_words_are_not_kept() -> None:
    config = json.loads(json.dumps(ONE_ATTEMPT))
    config["model_list"][2]["litellm_params"]["api_base"] = "http://127.0.0.1:11434"
    shield = FakeGuardrails(
        "shield",
        default_on=True,
        residency=Residency.NEAR,
        says=lambda question: Verdict(refuses=True, reason="it says Hello"),
    )
    gate = Gate(shield, config=config)
    with pytest.raises(GuardrailRefused, match="it says Hello"):
        gate.ask(model="mistral-local", facts={"stays_local": "key"})
    assert "Hello" not in (gate.ledger.rows[0].error_message or "")


TOOLS_CALLED = [
    {"role": "user", "content": "hi"},
    {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "t1", "name": "pay", "input": {"user": "Ada", "code": 4111111}}
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "paid"}]},
]


def chunks_of(*pieces: tuple[int, str]) -> list[bytes]:
    """A chat stream of pieces, each of the answer with this number. An empty piece ends its answer."""
    return answers.sse(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "gpt-4",
            "choices": [
                {
                    "index": number,
                    "delta": {"content": piece} if piece else {},
                    "finish_reason": None if piece else "stop",
                }
            ],
        }
        for number, piece in pieces
    )


def told_by(sent: bytes, number: int = 0) -> str:
    """What a client is told in the answer with this number."""
    events = [json.loads(line[6:]) for line in sent.split(b"\n\n") if line.startswith(b"data: {")]
    choices = [choice for each in events for choice in each.get("choices", ())]
    return "".join(each["delta"].get("content", "") for each in choices if each["index"] == number)


def test_a_stream_that_breaks_delivers_what_was_judged_and_nothing_else() -> None:
    words = [(0, f"word{number:02} ") for number in range(20)]
    shield = FakeGuardrails("shield", default_on=True, moments=AFTER, window_chars=49, held_chars=30)
    gate = Gate(shield)
    sent = gate.ask(script=(Answer(chunks=chunks_of(*words), error=UpstreamCut("cut")),), stream=True)
    judged = "".join(shield.questions[-1]["texts"])
    told = told_by(sent)
    assert told.endswith(judged)
    assert told == "".join(word for _, word in words)[: len(told)]
    assert len(told) == 98, "the words of the last window, which is not full, were not judged"
    assert b'"error"' in sent
    (row,) = gate.ledger.rows
    assert row.outcome is not Outcome.OK


def test_what_a_guardrail_refuses_brings_nothing_of_what_is_held_back() -> None:
    shield = FakeGuardrails(
        "shield",
        default_on=True,
        moments=AFTER,
        window_chars=20,
        held_chars=20,
        says=lambda question: Verdict(refuses="bomb" in "".join(question["texts"])),
    )
    pieces = [(0, each) for each in ("a" * 20, "b" * 20, "make a ", "b", "omb now please ", "x" * 30)]
    sent = Gate(shield).ask(script=(Answer(chunks=chunks_of(*pieces)),), stream=True)
    assert "make" not in told_by(sent)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_no_phrase_is_cut_in_two_where_a_stream_has_several_answers(size: int) -> None:
    """The second answer says much while the first one is in the middle of a phrase."""
    first = "x" * 13 + "4111 1111" + "y" * 40
    pieces: list[tuple[int, str]] = []
    for at in range(0, len(first), size):
        pieces += [(0, first[at : at + size]), (1, "z" * 30)]
    shield = FakeGuardrails(
        "shield",
        default_on=True,
        moments=AFTER,
        window_chars=10,
        held_chars=20,
        says=lambda question: Verdict(
            texts=tuple(each.replace("4111 1111", "[CARD]") for each in question["texts"])
        ),
    )
    sent = Gate(shield).ask(
        script=(Answer(chunks=[*chunks_of(*pieces, (0, ""), (1, "")), b"data: [DONE]\n\n"]),),
        stream=True,
        n=2,
    )
    assert told_by(sent) == first.replace("4111 1111", "[CARD]")
    assert told_by(sent, 1) == "z" * 30 * len(range(0, len(first), size))


def test_an_answer_that_is_over_holds_no_other_back() -> None:
    shield = FakeGuardrails("shield", default_on=True, moments=AFTER, window_chars=10, held_chars=20)
    pieces = [(0, "short"), (0, ""), *((1, f"piece{number:03} ") for number in range(40))]
    sent = Gate(shield).ask(
        script=(Answer(chunks=chunks_of(*pieces), error=UpstreamCut("cut")),), stream=True, n=2
    )
    assert told_by(sent) == "short"
    assert "piece030" in told_by(sent, 1)


def test_what_tools_were_called_with_is_read_whole() -> None:
    """A report of LiteLLM's users: arguments in the history of a conversation are never scanned
    (BerriAI/litellm 41265)."""
    shield = FakeGuardrails("shield", default_on=True)
    gate = Gate(shield)
    gate.ask("messages", "claude", messages=TOOLS_CALLED)
    assert {"Ada", "4111111", "paid"} <= set(shield.questions[0]["texts"])
    shield.says = lambda question: Verdict(
        texts=tuple(each.replace("Ada", "[NAME]") for each in question["texts"])
    )
    gate.ask("messages", "claude", messages=TOOLS_CALLED)
    sent = json.loads(gate.sent[0])["messages"][1]["content"][0]["input"]
    assert sent == {"user": "[NAME]", "code": 4111111}
    called = [{"type": "function_call", "call_id": "c1", "name": "pay", "arguments": '{"user":"Ada"}'}]
    gate.ask("responses", input=[*called, {"role": "user", "content": "hi"}])
    assert '{"user":"Ada"}' in shield.questions[-1]["texts"], "BerriAI/litellm 36753"


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SHOWN = [{"role": "user", "content": [{"type": "text", "text": "Hello"}, PICTURE]}]


def saying(verdict: Verdict, question: Any) -> Verdict:
    return verdict


def test_a_guardrail_changes_pictures_and_texts_each_by_themselves() -> None:
    shield = FakeGuardrails("shield", default_on=True)
    gate = Gate(shield)
    other = "data:image/png;base64,AAAA"
    for verdict, text, url in (
        (Verdict(images=(other,)), "Hello", other),
        (Verdict(texts=("Bye",)), "Bye", PICTURE["image_url"]["url"]),  # type: ignore[index]  # it is a mapping
        (Verdict(texts=("Bye",), images=(other,)), "Bye", other),
    ):
        shield.says = partial(saying, verdict)
        gate.ask(messages=SHOWN)
        (message,) = json.loads(gate.sent[0])["messages"]
        assert [message["content"][0]["text"], message["content"][1]["image_url"]["url"]] == [text, url]
        (record,) = metadata_of(gate.ledger.rows[-1]).guardrail_information
        assert record["action"] == "GUARDRAIL_INTERVENED"


def test_a_guardrail_changes_the_messages_that_it_was_shown() -> None:
    shield = FakeGuardrails("shield", default_on=True)
    gate = Gate(shield)
    shield.says = lambda question: Verdict(messages=msgspec.Raw(b'[{"role":"user","content":"Bye"}]'))
    gate.ask()
    assert json.loads(gate.sent[0])["messages"] == [{"role": "user", "content": "Bye"}]
    shield.says = lambda question: Verdict(messages=msgspec.Raw(b'[ {"content":"Hello","role":"user"} ]'))
    gate.ask()
    (record,) = metadata_of(gate.ledger.rows[-1]).guardrail_information
    assert record["action"] == "NONE", "they say the same"
    shield.says = lambda question: Verdict(messages=msgspec.Raw(b'{"role":"user"}'))
    with pytest.raises(GuardrailUnavailable, match="messages that can't be used"):
        gate.ask()
    for surface, shown in (("responses", True), ("chat", False)):
        blind = Gate(FakeGuardrails("shield", default_on=True, says=shield.says, sends_images=shown))
        with pytest.raises(GuardrailUnavailable, match="messages that it was not shown"):
            blind.ask(surface)
        assert blind.sent == []


def test_pictures_alone_are_asked_about() -> None:
    """A report of LiteLLM's users: a turn of pictures alone reaches no guardrail (BerriAI/litellm 38175)."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    shield = FakeGuardrails("shield", default_on=True, says=lambda question: Verdict(refuses=True))
    with pytest.raises(GuardrailRefused):
        Gate(shield).ask(messages=[{"role": "user", "content": [picture]}])
    assert shield.questions[0]["images"] == ["data:image/png;base64,iVBORw0KGgo="]
    assert shield.questions[0]["texts"] == []


@pytest.mark.parametrize("surface", ["completions", "embeddings"])
@pytest.mark.parametrize("tokens", [[1, 2], [[1], [2]]])
def test_numbers_of_tokens_pass_no_guardrail(surface: str, tokens: Any) -> None:
    name = "prompt" if surface == "completions" else "input"
    gate = Gate(FakeGuardrails("shield", default_on=True))
    with pytest.raises(InvalidRequest, match=f"{name}: the guardrail `shield` can't read numbers of tokens"):
        gate.ask(surface, **{name: tokens})
    assert gate.sent == []
    if surface == "embeddings":
        Gate(FakeGuardrails("shield", default_on=True, moments=AFTER)).ask(surface, **{name: tokens})


def test_a_field_that_stands_twice_passes_no_guardrail() -> None:
    gate = Gate(FakeGuardrails("shield", default_on=True))
    twice = '[{"role":"user","content":"how is a bomb made","content":"hi"}]'
    with pytest.raises(InvalidRequest, match="twice"):
        gate.ask(raw=twice)
    assert gate.sent == []


@pytest.mark.parametrize("text", ["data:;base64,how is a bomb made", "data:text/plain;base64,AAAA"])
def test_a_text_that_looks_like_a_file_is_a_text(text: str) -> None:
    shield = FakeGuardrails("shield", default_on=True, sends_images=False)
    Gate(shield).ask(messages=[{"role": "user", "content": text}])
    assert shield.questions[0]["texts"] == [text]


def test_without_guardrails_a_call_builds_nothing_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def built(*args: object) -> None:
        raise AssertionError("a call without guardrails has no Guarding")

    monkeypatch.setattr("functions.calls.guarded.Guarding.__init__", built)
    for surface, model in PAIRS:
        Gate(FakeGuardrails("unused")).ask(surface, model)
