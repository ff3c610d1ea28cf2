"""The front of Responses."""

from collections.abc import Sequence

import msgspec

from models_registry.fronts.responses.composer import Composer
from models_registry.fronts.responses.parts import IN_PROGRESS
from models_registry.fronts.responses.request import drops_params, turns_from
from models_registry.fronts.responses.tools import ToolBox
from models_registry.fronts.responses.writer import ResponsesWriter
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.labels import stored_texts
from schema.responses import AUTO, NONE_OF_THEM, NOTHING, NULL, Response, ResponsesRequest
from schema.wire import present

NO_REASONING = msgspec.Raw(b'{"effort":null,"summary":null}')
PLAIN_TEXT = msgspec.Raw(b'{"format":{"type":"text"}}')


class ResponsesFront:
    """Implements Front."""

    surface = Surface.RESPONSES

    def read(self, request: ResponsesRequest, target: Target) -> ChatRequest:
        return turns_from(request, target)

    def whole(
        self, events: Sequence[AnswerEvent], request: ResponsesRequest, target: Target, facts: CallFacts
    ) -> Response:
        composer = _composer(request, target, facts)
        for event in events:
            for _ in composer.add(event):
                pass
        return composer.response()

    def writer(self, request: ResponsesRequest, target: Target, facts: CallFacts) -> ResponsesWriter:
        return ResponsesWriter(_composer(request, target, facts))


def response_id(facts: CallFacts) -> str:
    """The id of a response that this gateway composes, such as `resp_0199...`."""
    return "resp_" + facts.request_id.replace("-", "")


def _composer(request: ResponsesRequest, target: Target, facts: CallFacts) -> Composer:
    box = ToolBox(request, drops=drops_params(request, target))
    return Composer(_asked(request, target, facts), box.called_as)


def _asked(request: ResponsesRequest, target: Target, facts: CallFacts) -> Response:
    """The response before the answer: what was asked, as OpenAI repeats it."""
    metadata = stored_texts(request.metadata) if present(request.metadata) else None
    return Response(
        id=response_id(facts),
        created_at=facts.created,
        status=IN_PROGRESS,
        instructions=request.instructions,
        max_output_tokens=request.max_output_tokens,
        metadata=metadata or NOTHING,
        model=target.model,
        parallel_tool_calls=request.parallel_tool_calls is not False,
        previous_response_id=request.previous_response_id,
        reasoning=request.reasoning if present(request.reasoning) else NO_REASONING,
        store=bool(request.store),
        temperature=request.temperature,
        text=request.text if present(request.text) else PLAIN_TEXT,
        tool_choice=request.tool_choice if present(request.tool_choice) else AUTO,
        tools=_told_tools(request.tools) if present(request.tools) else NONE_OF_THEM,
        top_p=request.top_p,
        truncation=request.truncation or "disabled",
        user=request.user or msgspec.UNSET,
    )


def _told_tools(raw: msgspec.Raw) -> msgspec.Raw:
    """The tools as OpenAI repeats them: a function has its schema and `strict`, sent or not."""
    tools = _TOOLS.decode(raw)
    for tool in tools:
        if bytes(tool.get("type", b"")) == b'"function"':
            tool.setdefault("parameters", NULL)
            tool.setdefault("strict", NULL)
    return msgspec.Raw(msgspec.json.encode(tools))


_TOOLS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
