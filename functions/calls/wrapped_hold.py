"""A hold around another hold."""

from functions.ports.models import Hold
from schema.usage import Usage


class WrappedHold:
    """Passes on what it is told. Implements `functions.ports.models.Hold`; a subclass does more where it has
    to."""

    __slots__ = ("_hold",)

    def __init__(self, hold: Hold) -> None:
        self._hold = hold

    @property
    def output_limit(self) -> int | None:
        return self._hold.output_limit

    def first_token(self) -> None:
        self._hold.first_token()

    def opened(self, usage: Usage) -> None:
        self._hold.opened(usage)

    def answered(self, response_id: str | None) -> None:
        self._hold.answered(response_id)

    def settle(self, usage: Usage) -> None:
        self._hold.settle(usage)

    def settle_hit(self, usage: Usage) -> None:
        self._hold.settle_hit(usage)

    def fail(self, error: Exception, usage: Usage | None = None, *, final: bool = True) -> None:
        self._hold.fail(error, usage, final=final)

    def cancel(self, usage: Usage) -> None:
        self._hold.cancel(usage)

    async def charged(self) -> None:
        await self._hold.charged()
