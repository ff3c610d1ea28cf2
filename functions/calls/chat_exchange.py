"""One attempt at a conversation in OpenAI's chat completions."""

from functions.calls.answer_head import id_of
from functions.calls.surface_exchange import SurfaceExchange
from functions.contract.function import EventStream
from models_registry.fronts.chat.front import ChatFront
from schema.chat import ChatCompletion, ChatRequest


class ChatExchange(SurfaceExchange[ChatRequest, ChatCompletion]):
    """A conversation sent to one deployment, and its answer."""

    __slots__ = ()
    front = ChatFront()
    blank = ChatCompletion(choices=[])

    def answer_id(self, answer: ChatCompletion | EventStream) -> str | None:
        return id_of(answer) if isinstance(answer, ChatCompletion) else None
