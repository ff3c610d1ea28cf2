"""What happens now, without anything that happens."""

from collections.abc import AsyncIterator

from functions.contract.call import Call
from functions.contract.roles import Scope
from schema.errors.base import GatewayError
from schema.live import LiveCalls


class OverStream:
    """A stream without events. Implements `functions.contract.function.EventStream`."""

    async def events(self) -> AsyncIterator[bytes]:
        return
        yield b""

    def failed(self, error: GatewayError) -> bytes:
        return b""

    def close(self, error: GatewayError | None = None) -> None:
        return None


class FakeLive:
    """Implements `functions.ports.live.Live`."""

    def open(self, call: Call) -> OverStream:
        return OverStream()

    def calls(self, scope: Scope) -> LiveCalls:
        return LiveCalls(calls=[])
