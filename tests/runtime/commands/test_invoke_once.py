"""What `just invoke` prints, and its exit code."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from functions.contract.function import EventStream, function
from functions.contract.roles import Access
from functions.ports.context import CatalogueContext
from functions.spend import logs
from models_registry.turns.sse import failure_frame
from runtime.commands.invoke_once import call
from schema.errors.base import GatewayError
from schema.errors.upstream import UpstreamCut
from schema.wire import Wire
from tests.runtime.in_process import MASTER, House


class Nothing(Wire, frozen=True, kw_only=True):
    """No fields."""


class Breaking:
    """One event, and then the provider is gone."""

    closed = False

    async def events(self) -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        raise UpstreamCut("The answer broke off.")

    def failed(self, error: GatewayError) -> bytes:
        return failure_frame(error)

    def close(self, error: GatewayError | None = None) -> None:
        Breaking.closed = True


@function("POST", "/breaking", access=Access.MODEL)
async def breaking(request: Nothing, ctx: CatalogueContext) -> EventStream:
    """Break off."""
    return Breaking()


def test_a_stream_that_breaks_ends_in_an_error_event_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(call(House().endpoint(breaking), "{}", MASTER)) == 1
    first, last = capsys.readouterr().out.strip().split("\n\n")
    assert first == "data: one"
    error = msgspec.json.decode(last.removeprefix("data: "))["error"]
    assert (error["message"], error["reason"]) == ("The answer broke off.", "upstream_cut")
    assert Breaking.closed


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ('{"user_id": null, "limit": 5, "summarize": true}', 0, "[]"),
        ('{"limit": 1.5}', 1, "limit"),
        ("null", 2, "no JSON object"),
    ],
)
def test_the_parameters_of_a_get_are_any_plain_values(
    capsys: pytest.CaptureFixture[str], body: str, code: int, says: str
) -> None:
    assert asyncio.run(call(House().endpoint(logs), body, MASTER)) == code
    printed = capsys.readouterr()
    assert says in printed.out + printed.err
