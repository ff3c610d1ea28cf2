"""The ladder of an attempt, on an endpoint of the test's own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from functions.calls.attempt import Attempts, Exchange
from functions.ports.context import ModelContext
from functions.ports.models import Attempting, Files
from models_registry.backends.addresses import NamedFile
from models_registry.backends.backend import UpstreamRequest
from models_registry.bounds.embeddings import EmbeddingsBounds
from models_registry.routing.choice import Shape
from models_registry.target import Target
from schema.embeddings import EmbeddingsRequest
from schema.errors.base import GatewayError
from schema.errors.overload import SHUTTING_DOWN, ShuttingDown
from schema.errors.requests import FileNotFetched, UnsupportedParameter
from schema.errors.upstream import ProviderError, UpstreamTimeout
from schema.ledger.rows import Outcome
from schema.usage import Usage
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import CONFIG, make_registry, model_ctx

REQUEST = EmbeddingsRequest(model="gpt", input="a text")
TARGET = make_registry().target("gpt", allowed=(), roll=0.0)
PICTURE = "https://files.test/cat.png"
BROKEN = Answer(status=500, body=b"<html>")


class Length(Exchange[EmbeddingsRequest, EmbeddingsBounds, int]):
    """Answers how long the provider's body is. All that an endpoint has to say stands here."""

    def outgoing(self) -> UpstreamRequest:
        return UpstreamRequest(url=f"{self.target.api_base}/length", headers={}, body=b"")

    def bounds(self) -> EmbeddingsBounds:
        return EmbeddingsBounds(self.request, self.target)

    def answer(self, body: bytes, bounds: EmbeddingsBounds) -> tuple[int, Usage]:
        return len(body), Usage(prompt_tokens=len(body))

    def replayed(self, body: bytes) -> int:
        return len(body)


class Refusing(Length):
    def outgoing(self) -> UpstreamRequest:
        raise UnsupportedParameter("no")


class Faulty(Length):
    def answer(self, body: bytes, bounds: EmbeddingsBounds) -> tuple[int, Usage]:
        raise ZeroDivisionError


class Picturing(Length):
    """Names a picture by address, and sends it."""

    def wanted(self) -> Sequence[NamedFile]:
        return [NamedFile(PICTURE, "messages[0].content[0].image_url", True)]

    def outgoing(self) -> UpstreamRequest:
        body = self.facts.files.get(PICTURE, "nothing yet").encode()
        return UpstreamRequest(url=f"{self.target.api_base}/length", headers={}, body=body)


class FakeFiles:
    """Gives each file, or fails. Implements `Files`."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure = failure
        self.asked: list[str] = []

    async def fetched(
        self,
        files: Sequence[NamedFile],
        take_room: Callable[[int], None],
        *,
        near: bool = False,
        whose: str = "",
    ) -> Mapping[str, str]:
        self.asked += [file.url for file in files]
        if self.failure is not None:
            raise self.failure
        return {file.url: "data:image/png;base64,AAAA" for file in files}


class Scene:
    def __init__(self, *script: Any, exchange: type[Length] = Length, files: Files | None = None) -> None:
        self.upstream, self.ledger = FakeUpstream(*script), FakeLedger()
        ctx = model_ctx(self.upstream, ledger=self.ledger, files=files)
        call = msgspec.structs.replace(ctx.call, customer="eve")
        self.ctx: ModelContext = msgspec.structs.replace(ctx, call=call)
        self.attempts = Attempts(REQUEST, self.ctx, exchange)

    @property
    def outcomes(self) -> list[Outcome]:
        return [row.outcome for row in self.ledger.rows]

    @property
    def under_way(self) -> int:
        return len(self.ledger.sink.held)


def test_an_endpoint_says_what_is_its_own_and_is_answered_and_booked() -> None:
    scene = Scene(Answer(body=b"12345"))
    assert asyncio.run(scene.attempts.at(TARGET)) == 5
    (row,) = scene.ledger.rows
    assert (row.outcome, row.prompt_tokens, row.end_user) == (Outcome.OK, 5, "eve")
    assert scene.upstream.requests[0].url == "http://openai.test/v1/length"
    assert scene.under_way == 0


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("script", [BROKEN, UpstreamTimeout("slow")])
def test_the_hold_of_a_failed_attempt_waits_for_the_router_which_knows_if_it_is_final(
    script: Any, final: bool
) -> None:
    async def run() -> None:
        with pytest.raises(GatewayError) as caught:
            await scene.attempts.at(TARGET)
        assert (scene.outcomes, scene.under_way) == ([], 1)
        scene.attempts.end(caught.value, final=final)

    scene = Scene(script)
    asyncio.run(run())
    (row,) = scene.ledger.rows
    assert row.request_id == ("0190-call" if final else "0190-call-a1")
    assert scene.under_way == 0
    scene.attempts.end(ProviderError("again", status=500), final=True)
    assert len(scene.ledger.rows) == 1


def test_an_attempt_that_was_never_held_has_nothing_to_end() -> None:
    scene = Scene(exchange=Refusing)
    with pytest.raises(UnsupportedParameter) as caught:
        asyncio.run(scene.attempts.at(TARGET))
    scene.attempts.end(caught.value, final=True)
    assert (scene.outcomes, scene.under_way) == ([], 0)


def test_a_bug_ends_its_hold_at_once_and_closes_the_answer() -> None:
    scene = Scene(Answer(body=b"12345"), exchange=Faulty)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(scene.attempts.at(TARGET))
    assert (len(scene.outcomes), scene.under_way) == (1, 0)
    assert scene.ledger.rows[0].error_class == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("word", "outcome", "error"),
    [("left", Outcome.CANCELLED, None), (SHUTTING_DOWN, Outcome.FAILED, ShuttingDown.__name__)],
)
def test_a_cancelled_attempt_ends_its_hold_and_cuts_the_provider(
    word: str, outcome: Outcome, error: str | None
) -> None:
    async def run() -> None:
        task = asyncio.create_task(scene.attempts.at(TARGET))
        for _ in range(10):  # turns of the loop: past the head, into the wait for the body
            await asyncio.sleep(0)
        task.cancel(word)
        with pytest.raises(asyncio.CancelledError):
            await task

    scene = Scene(Answer(stalls=True))
    asyncio.run(run())
    (row,) = scene.ledger.rows
    assert (row.outcome, row.error_class) == (outcome, error)
    assert scene.under_way == 0
    assert scene.upstream.responses[0].closed


class Noted:
    """The attempts of a call, and with which words the router ended each."""

    def __init__(self, attempts: Attempting[int]) -> None:
        self._attempts = attempts
        self.ended: list[tuple[str, bool]] = []

    async def at(self, target: Target) -> int:
        return await self._attempts.at(target)

    def end(self, error: GatewayError, *, final: bool) -> None:
        self.ended.append((type(error).__name__, final))
        self._attempts.end(error, final=final)

    def shape(self) -> Shape:
        return self._attempts.shape()


@pytest.mark.parametrize(
    ("answers", "ended"),
    [
        ([Answer(body=b"1")], []),
        ([BROKEN, Answer(body=b"1")], [("ProviderError", False)]),
        ([BROKEN], [("ProviderError", False), ("ProviderError", False), ("ProviderError", True)]),
    ],
)
def test_the_router_ends_each_failed_attempt_once(
    answers: list[Answer], ended: list[tuple[str, bool]]
) -> None:
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(*answers), ledger=ledger, config=CONFIG)
    attempts = Noted(Attempts(REQUEST, ctx, Length))
    try:
        asyncio.run(ctx.routes.walk(ctx.call, "gpt", attempts))
    except ProviderError:
        assert ended[-1][1], "the last attempt failed"
    assert attempts.ended == ended
    assert ledger.sink.held == {}


def test_a_named_file_is_fetched_under_the_hold_and_sent() -> None:
    files = FakeFiles()
    scene = Scene(BROKEN, Answer(body=b"12345"), exchange=Picturing, files=files)
    with pytest.raises(ProviderError) as failed:
        asyncio.run(scene.attempts.at(TARGET))
    scene.attempts.end(failed.value, final=False)
    assert asyncio.run(scene.attempts.at(TARGET)) == 5
    assert [request.body for request in scene.upstream.requests] == [b"data:image/png;base64,AAAA"] * 2
    assert files.asked == [PICTURE]  # once for all attempts


def test_a_file_that_can_not_be_had_costs_nothing_and_nothing_is_sent() -> None:
    error = FileNotFetched("no", param="messages[0].content[0].image_url")
    scene = Scene(exchange=Picturing, files=FakeFiles(error))
    with pytest.raises(FileNotFetched):
        asyncio.run(scene.attempts.at(TARGET))
    assert scene.under_way == 1
    scene.attempts.end(error, final=True)
    (row,) = scene.ledger.rows
    assert (row.cost_nano, row.prompt_tokens, scene.under_way) == (0, 0, 0)
    assert scene.upstream.requests == []


@pytest.mark.parametrize("failure", [asyncio.CancelledError(), ZeroDivisionError()])
def test_a_client_that_leaves_during_the_fetch_pays_nothing(failure: BaseException) -> None:
    scene = Scene(exchange=Picturing, files=FakeFiles(failure))
    with pytest.raises(type(failure)):
        asyncio.run(scene.attempts.at(TARGET))
    (row,) = scene.ledger.rows
    assert (row.cost_nano, row.prompt_tokens, scene.under_way) == (0, 0, 0)
    assert scene.upstream.requests == []


class PickyAboutFiles(Picturing):
    """Refuses the file when it sees it."""

    def outgoing(self) -> UpstreamRequest:
        if PICTURE in self.facts.files:
            raise UnsupportedParameter("it is of another kind")
        return super().outgoing()


def test_a_file_that_is_refused_once_it_is_there_ends_the_hold() -> None:
    scene = Scene(exchange=PickyAboutFiles, files=FakeFiles())
    with pytest.raises(UnsupportedParameter) as refused:
        asyncio.run(scene.attempts.at(TARGET))
    scene.attempts.end(refused.value, final=True)
    (row,) = scene.ledger.rows
    assert (row.cost_nano, scene.under_way) == (0, 0)
    assert scene.upstream.requests == []


def test_a_worker_that_stops_during_the_fetch_says_so() -> None:
    scene = Scene(exchange=Picturing, files=FakeFiles(asyncio.CancelledError(SHUTTING_DOWN)))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(scene.attempts.at(TARGET))
    (row,) = scene.ledger.rows
    assert (row.outcome, row.error_class, row.cost_nano) == (Outcome.FAILED, "ShuttingDown", 0)
