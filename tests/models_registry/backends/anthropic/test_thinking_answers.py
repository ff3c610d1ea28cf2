"""Signed thinking and citations in answers, whole and streamed."""

import json
from typing import Any

import msgspec
import pytest

from models_registry.backends.anthropic.backend import Anthropic
from models_registry.dialects import Dialect
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import feed_all_ways
from tests.models_registry.backends.making import FACTS, chat, deltas, target
from tests.models_registry.backends.retelling import as_stream

BACKEND = Anthropic()
TARGET = target(Dialect.ANTHROPIC)
SIGNED = {"type": "thinking", "thinking": "hm, Grüße", "signature": "c2ln"}
SECOND = {"type": "thinking", "thinking": "and then", "signature": "c2ln2"}
OMITTED = {"type": "thinking", "thinking": "", "signature": "b25seQ=="}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
WEB = {
    "type": "web_search_result_location",
    "url": "https://a.test/x",
    "title": "A",
    "cited_text": "so",
    "encrypted_index": "e",
}
PAGE = {"type": "page_location", "cited_text": "so", "document_index": 0, "start_page_number": 1}


def text(value: str, *citations: object) -> dict[str, object]:
    return {"type": "text", "text": value, "citations": list(citations) or None}


def body_of(*content: object) -> bytes:
    usage = {"input_tokens": 5, "output_tokens": 9}
    stop = "tool_use" if CALL in content else "end_turn"
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content}
    return json.dumps(message | {"stop_reason": stop, "usage": usage}).encode()


def whole(*content: object) -> dict[str, Any]:
    """The message that a client gets in a whole answer."""
    completion, _ = chat_answer(body_of(*content), chat(), TARGET, FACTS)
    message: dict[str, Any] = json.loads(msgspec.json.encode(completion))["choices"][0]["message"]
    return message


def streamed(events: bytes) -> list[dict[str, Any]]:
    found = feed_all_ways(lambda: chat_stream(chat(stream=True), TARGET, FACTS), events, [7, 90, 300])
    assert found.error is None
    return deltas(found.out)


@pytest.mark.parametrize(
    ("content", "blocks", "reasoning"),
    [
        ([SIGNED, text("a"), CALL], [SIGNED], "hm, Grüße"),
        ([SIGNED, REDACTED, SECOND, CALL], [SIGNED, REDACTED, SECOND], "hm, Grüßeand then"),
        ([REDACTED, text("a")], [REDACTED], None),
        ([OMITTED, text("a")], [OMITTED], None),
        ([text("a")], None, None),
    ],
)
def test_thinking_comes_with_its_signature(content: list[object], blocks: object, reasoning: object) -> None:
    message = whole(*content)
    assert (message.get("thinking_blocks"), message.get("reasoning_content")) == (blocks, reasoning)
    given = streamed(as_stream(Dialect.ANTHROPIC, body_of(*content)))
    pieces = [each for delta in given for each in delta.get("thinking_blocks") or ()]
    assert (pieces or None) == blocks
    assert ("".join(delta.get("reasoning_content") or "" for delta in given) or None) == reasoning


def test_a_streams_pieces_end_with_the_signature() -> None:
    def event(kind: str, **fields: object) -> bytes:
        return b"data: " + json.dumps({"type": kind, **fields}).encode() + b"\n\n"

    def delta(**fields: object) -> bytes:
        return event("content_block_delta", index=0, delta=fields)

    start = as_stream(Dialect.ANTHROPIC, body_of()).split(b"\n\n")[0] + b"\n\n"
    end = b"\n\n".join(as_stream(Dialect.ANTHROPIC, body_of()).split(b"\n\n")[1:])
    block = {"type": "thinking", "thinking": "", "signature": ""}
    given = streamed(
        start
        + event("content_block_start", index=0, content_block=block)
        + delta(type="thinking_delta", thinking="hm, ")
        + delta(type="thinking_delta", thinking="Grüße")
        + delta(type="signature_delta", signature="c2ln")
        + event("content_block_stop", index=0)
        + end
    )
    assert [delta for delta in given if "thinking_blocks" in delta] == [
        {
            "reasoning_content": "hm, ",
            "thinking_blocks": [{"type": "thinking", "thinking": "hm, ", "signature": ""}],
        },
        {
            "reasoning_content": "Grüße",
            "thinking_blocks": [{"type": "thinking", "thinking": "Grüße", "signature": ""}],
        },
        {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "c2ln"}]},
    ]


def test_citations_are_kept_in_litellms_form_and_in_openais() -> None:
    content = [text("Now: "), text("so it is", WEB, PAGE), text(", and "), text("é", PAGE)]
    message = whole(*content)
    assert message["content"] == "Now: so it is, and é"
    assert message["provider_specific_fields"] == {
        "citations": [
            [WEB | {"supported_text": "so it is"}, PAGE | {"supported_text": "so it is"}],
            [PAGE | {"supported_text": "é"}],
        ]
    }
    cite = {"start_index": 5, "end_index": 13, "url": "https://a.test/x", "title": "A"}
    annotation = {"type": "url_citation", "url_citation": cite}
    assert message["annotations"] == [annotation]
    given = streamed(as_stream(Dialect.ANTHROPIC, body_of(*content)))
    cited = [
        delta["provider_specific_fields"]["citation"]
        for delta in given
        if "provider_specific_fields" in delta
    ]
    assert cited == [WEB, PAGE, PAGE]
    assert [each for delta in given for each in delta.get("annotations") or ()] == [annotation]


def test_citations_of_a_stream_come_one_by_one() -> None:
    body = as_stream(Dialect.ANTHROPIC, body_of(text("so")))
    stop = b'{"type":"content_block_stop"'
    at = body.index(stop) if stop in body else body.index(b'{"type": "content_block_stop"')
    more = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": WEB}}
    begun = body[:at].rpartition(b"\n\n")
    given = streamed(begun[0] + b"\n\ndata: " + json.dumps(more).encode() + b"\n\n" + begun[2] + body[at:])
    assert {"provider_specific_fields": {"citation": WEB}} in given
    assert given[-2]["annotations"][0]["url_citation"]["end_index"] == 2


@pytest.mark.parametrize("odd", ["x", 7, [7], [["x"]], {"a": 1}, [{"url": 7}]])
def test_odd_citations_cost_no_answer(odd: object) -> None:
    content = [text("a") | {"citations": odd}]
    assert whole(*content)["content"] == "a"
    given = streamed(as_stream(Dialect.ANTHROPIC, body_of(*content)))
    assert "".join(delta.get("content") or "" for delta in given) == "a"
