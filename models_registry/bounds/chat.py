"""Upper bounds of what a chat call can use, from the request alone."""

import msgspec

from models_registry.backends.search import search_context, unpriced_search
from models_registry.bounds.input import MessageText, is_text_alone, text_of
from models_registry.bounds.judgement import Unbounded, judge, sent_fields, unbounded_content
from models_registry.bounds.text import TextBounds
from models_registry.target import Target
from schema.chat import ChatRequest


class ChatBounds(TextBounds):
    """The most that a chat call can use at one deployment."""

    __slots__ = ("_request", "_searches")

    def __init__(self, request: ChatRequest, target: Target) -> None:
        self._request = request
        fields = request.raw or request.fields()  # a request that was built in code is encoded to get them
        sent = sent_fields(fields, target)
        self._searches: int | None = None
        super().__init__(fields, sent, judge(sent, target), target)

    @property
    def searches(self) -> int:
        """The web searches that the provider runs itself, 0 or 1. A search model searches at every call."""
        if self._searches is None:
            searching = self._target.dialect.facts.searches
            self._searches = int(searching and search_context(self._request, self._target) is not None)
        return self._searches

    def _measured(self) -> MessageText:
        return text_of(self._request.messages, self._sent["messages"])

    @property
    def _messages(self) -> int:
        return len(self._request.messages)

    @property
    def _conversation(self) -> msgspec.Raw:
        return self._sent["messages"]

    def _unbounded_content(self) -> Unbounded | None:
        fields, target = self._sent, self._target
        search = unpriced_search(fields, target)
        if search is not None:
            return Unbounded(search, search)
        plain = is_text_alone(self._request.messages, fields["messages"], self.text)
        return None if plain and "tools" not in fields else unbounded_content(fields, target, plain=plain)


def with_output_limit(target: Target, tokens: int) -> Target:
    """The deployment with a limit on the output among its parameters, which is sent where the caller sent
    none."""
    limited = {**target.params, target.limit_field: msgspec.Raw(b"%d" % tokens)}
    return msgspec.structs.replace(target, params=limited)
