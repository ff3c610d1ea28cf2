"""A stream's pieces put together are the answer that a plain call would have given."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.bodies.whole_answer import stream_answer
from tests.fakes import answers, responses_answers, thinking_answers, tool_answers


def chunks(*deltas: dict[str, Any], index: int = 0) -> bytes:
    return b"".join(
        answers.sse(
            {"choices": [{"index": index, "delta": delta, "finish_reason": None}]} for delta in deltas
        )
    )


def message(sse: bytes) -> Any:
    answer: Any = stream_answer(sse)
    return answer["choices"][0]["message"]


def test_a_stream_is_the_plain_answer() -> None:
    whole: Any = json.loads(answers.openai_chat())
    answer: Any = stream_answer(b"".join(answers.openai_stream()))
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "".join(answers.TEXT)}
    assert answer["choices"][0]["finish_reason"] == "stop"
    for name in ("id", "object", "model", "created", "usage"):
        assert answer[name] == whole[name]


def test_tool_calls_go_on_by_their_index() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": function}]}

    first = {"tool_calls": [{"index": 0, "id": "c0", "type": "function", "function": {"name": "find"}}]}
    second = {"tool_calls": [{"index": 1, "id": "c1", "type": "function", "function": {"name": "buy"}}]}
    found = message(
        chunks(first, call(0, arguments='{"a"'), second, call(0, arguments=": 1}"), call(1, arguments="{}"))
    )
    assert [each["function"] for each in found["tool_calls"]] == [
        {"name": "find", "arguments": '{"a": 1}'},
        {"name": "buy", "arguments": "{}"},
    ]
    assert [each["id"] for each in found["tool_calls"]] == ["c0", "c1"]


def test_a_role_said_twice_is_one_and_reasoning_goes_on() -> None:
    pieces = [
        {"role": "assistant", "reasoning_content": "a"},
        {"role": "assistant", "reasoning_content": "b"},
    ]
    assert message(chunks(*pieces)) == {"role": "assistant", "reasoning_content": "ab"}


def test_several_answers_stay_apart() -> None:
    answer: Any = stream_answer(chunks({"content": "b"}, index=1) + chunks({"content": "a"}))
    assert [each["message"]["content"] for each in answer["choices"]] == ["a", "b"]


def test_what_is_no_answer_is_none() -> None:
    for sse in (b"", b"data: [DONE]\n\n", b": ping\n\n", b'data: {"error": {}}\n\n', b"data: [1]\n\n"):
        assert stream_answer(sse) is None


@given(st.binary() | st.lists(st.sampled_from(answers.openai_stream())).map(b"".join))
def test_no_bytes_break_it(sse: bytes) -> None:
    stream_answer(sse)
    stream_answer(b"data: " + sse)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["choices", "delta", "index", "content"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_no_json_breaks_it(value: object) -> None:
    stream_answer(
        b"".join(answers.sse([{"choices": [{"index": 0, "delta": value}]}, {"choices": value}, value]))
    )


def test_a_stream_of_responses_is_the_response_at_its_end() -> None:
    sse = responses_answers.sse(responses_answers.events())
    assert stream_answer(b"".join(sse)) == responses_answers.response()


def test_a_stream_of_responses_that_broke_off_is_its_finished_items() -> None:
    sse = responses_answers.sse(responses_answers.events()[:-1])
    whole = responses_answers.response()
    answer = stream_answer(b"".join(sse))
    assert answer is not None
    assert (answer["output"], answer["status"]) == (whole["output"], "in_progress")


def test_the_events_of_messages_become_one_message() -> None:
    assert stream_answer(b"".join(answers.anthropic_stream("m"))) == json.loads(
        answers.anthropic_message("m")
    ) | {"usage": {"input_tokens": answers.PROMPT_TOKENS, "output_tokens": answers.COMPLETION_TOKENS}}
    calls = stream_answer(b"".join(tool_answers.anthropic_stream("m")))
    assert calls is not None
    assert calls["content"] == json.loads(tool_answers.anthropic_message("m"))["content"]
    assert calls["stop_reason"] == "tool_use"


def test_thinking_its_signature_and_sources_are_kept_of_messages() -> None:
    content = [thinking_answers.THINKING, thinking_answers.REDACTED, thinking_answers.ANSWER]
    stream = thinking_answers.stream("m", content)
    cited = {"type": "citations_delta", "citation": {"url": "https://a.test"}}
    source = answers.named_sse([{"type": "content_block_delta", "index": 2, "delta": cited}])
    whole = stream_answer(b"".join([*stream[:-2], *source, *stream[-2:]]))
    assert whole is not None
    assert whole["content"] == [*content[:2], content[2] | {"citations": [{"url": "https://a.test"}]}]


def test_a_cut_stream_of_messages_keeps_what_came() -> None:
    stream = tool_answers.anthropic_stream("m")
    whole: Any = stream_answer(b"".join(stream[:4]))
    (call,) = whole["content"]
    assert isinstance(call["input"], str | dict)


def test_the_text_of_legacy_completions_is_kept() -> None:
    chunks = [
        {"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": "One "}]},
        {
            "id": "c",
            "object": "text_completion",
            "choices": [{"index": 0, "text": "two", "finish_reason": "stop"}],
        },
    ]
    assert stream_answer(b"".join(answers.sse(chunks))) == {
        "object": "text_completion",
        "id": "c",
        "choices": [{"index": 0, "text": "One two", "finish_reason": "stop"}],
    }
