"""The port to what happens now."""

from typing import Protocol

from functions.contract.call import Call
from functions.contract.function import EventStream
from functions.contract.roles import Scope
from schema.live import LiveCalls


class Live(Protocol):
    """Calls in flight and rows just booked, of all workers."""

    def open(self, call: Call) -> EventStream:
        """The stream of a page. It ends when the page leaves, when the caller may no longer see what it
        shows, and when the worker stops. Raises Overloaded where too many pages are open."""
        ...

    def calls(self, scope: Scope) -> LiveCalls:
        """The calls in flight within the scope, as far as other workers have told of theirs. They tell while
        somebody asks."""
        ...
