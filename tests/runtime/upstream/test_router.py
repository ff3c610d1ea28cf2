"""The router on a route over several models: what it writes into the log."""

import asyncio
from typing import Any

import structlog

from functions.chat import chat
from schema.chat import ChatRequest, Message
from tests.fakes import answers
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import CONFIG, model_ctx


def lines_of_a_call(router: dict[str, Any], *script: Answer) -> list[Any]:
    ctx = model_ctx(FakeUpstream(*script), config=CONFIG | {"router_settings": {"num_retries": 0} | router})
    with structlog.testing.capture_logs() as lines:
        request = ChatRequest(model="gpt", messages=[Message(role="user", content="Hi")])
        asyncio.run(chat(request, ctx))
    return lines


def test_the_line_of_a_failed_attempt_names_what_is_passed_over() -> None:
    fallbacks = {"fallbacks": [{"gpt": ["nobody", "mistral-local"]}]}
    (line,) = lines_of_a_call(fallbacks, Answer(status=503), Answer(body=answers.ollama_chat()))
    assert (line["event"], line["model"], line["next_model"]) == ("attempt_failed", "gpt", "mistral-local")
    assert line["passed_over"] == ["nobody: unknown"]


def test_a_call_that_is_answered_at_once_writes_nothing() -> None:
    assert lines_of_a_call({}, Answer(body=answers.openai_chat())) == []
