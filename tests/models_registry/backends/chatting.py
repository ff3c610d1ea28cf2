"""What a client of the chat front gets of a provider's answer."""

from models_registry.backends import BACKENDS, native_at
from models_registry.backends.backend import Backend
from models_registry.fronts.chat.front import ChatFront
from models_registry.target import Target
from models_registry.turns.events import Counted
from models_registry.turns.facts import CallFacts
from models_registry.turns.stream import AnswerStream, TranslatedStream
from models_registry.turns.surfaces import Surface
from schema.chat import ChatCompletion, ChatRequest
from schema.usage import Usage

FRONT = ChatFront()


def chat_answer(
    body: bytes, request: ChatRequest, target: Target, facts: CallFacts
) -> tuple[ChatCompletion, Usage | None]:
    """A whole answer, and the usage that it reports."""
    native = native_at(target, Surface.CHAT)
    if native is not None:
        answer, usage = native.answer(body, request, target)
        assert isinstance(answer, ChatCompletion)
        return answer, usage
    events = backend_of(target).answer(body, request, target, facts)
    counted = [event.usage for event in events if isinstance(event, Counted)]
    return FRONT.whole(events, request, target, facts), counted[-1] if counted else None


def chat_stream(request: ChatRequest, target: Target, facts: CallFacts) -> AnswerStream:
    """A stream, before its first byte."""
    native = native_at(target, Surface.CHAT)
    if native is not None:
        return native.stream(request, target)
    parser = backend_of(target).events(request, target, facts)
    return TranslatedStream(parser, FRONT.writer(request, target, facts))


def backend_of(target: Target) -> Backend:
    return BACKENDS[target.dialect]
