"""How a body comes in: its length, the room for it, what may stand in it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from functions.chat import chat
from functions.contract.function import function
from functions.contract.roles import Access
from functions.keys import generate
from functions.ports.context import CatalogueContext
from runtime.intake.body_room import BodyRoom
from runtime.web import door
from schema.undeclared import refuse_undeclared
from schema.wire import Wire
from tests.fakes import answers
from tests.fakes.upstream import Answer, FakeUpstream
from tests.runtime.identity.test_authenticator import KEY
from tests.runtime.in_process import (
    ASK,
    MASTER,
    MAX_BODY,
    ROOM,
    Client,
    House,
    Message,
    ask,
    body_of,
    handle,
    scope_of,
)


@pytest.mark.parametrize("digits", [19, 400, 5_000])
def test_a_length_of_many_digits_is_too_large(digits: int) -> None:
    client = handle(House().route(), ask(), scope=scope_of(("content-length", "9" * digits)))
    assert (client.status, client.error["reason"]) == (413, "request_too_large")


@pytest.mark.parametrize("length", ["x", "-1", "\u00b2", "1e3", "1, 1", ""])
def test_a_length_that_is_no_number_is_not_believed(length: str) -> None:
    scope = scope_of()
    scope["headers"].append((b"content-length", length.encode("latin-1")))
    assert handle(House().route(), ask(), scope=scope).status == 200


class TallyCounts(Wire, frozen=True, kw_only=True, dict=True):
    count: int | None = None


@function("POST", "/counted", access=Access.BUDGETS_WRITE)
async def counted(request: TallyCounts, ctx: CatalogueContext) -> str:
    """Say what came."""
    return f"{request.count}"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [(b"", "None"), (b'{"count":"3"}', "3"), (b'{"count":""}', "None"), (b'{"count":7}', "7")],
)
def test_a_body_of_a_management_call_may_be_absent_or_have_its_numbers_as_text(
    sent: bytes, answer: str
) -> None:
    client = handle(House().route(counted), body_of(sent), scope=scope_of(key=MASTER))
    assert (client.status, client.body.decode()) == (200, json.dumps(answer))


@pytest.mark.parametrize("sent", [b'{"count":"x"}', b'{"count":"null"}', b'{"count":[3]}', b"[]", b"{"])
def test_a_body_of_a_management_call_that_stands_for_nothing_is_refused(sent: bytes) -> None:
    assert handle(House().route(counted), body_of(sent), scope=scope_of(key=MASTER)).status == 400


def test_a_body_of_a_model_call_is_read_as_it_stands() -> None:
    house = House()
    assert handle(house.route(), ask(max_tokens="3")).error["param"] == "max_tokens"
    assert handle(house.route(), body_of(b"")).status == 400


@function("POST", "/kept", access=Access.BUDGETS_WRITE)
async def kept(request: TallyCounts, ctx: CatalogueContext) -> str:
    """Keep what is declared."""
    refuse_undeclared(request)
    return f"{request.count}"


@pytest.mark.parametrize(
    ("sent", "status", "told"),
    [
        ({"count": 1, "send_invite_email": True}, 200, "send_invite_email"),
        ({"logging": [{"a": 1}], "auto_rotate": True}, 200, "logging, auto_rotate"),
        ({"agent_id": None, "prompts": []}, 200, None),
        ({"max_budgett": 5}, 400, None),
        ({"send_invite_email": True, "enforced_params": ["user"]}, 400, "send_invite_email"),
        ({"object_permission": {"models": ["a"]}}, 400, None),
    ],
)
def test_a_field_of_litellms_that_restricts_nothing_is_named_in_the_answer(
    sent: dict[str, object], status: int, told: str | None
) -> None:
    client = handle(House().route(kept), body_of(json.dumps(sent).encode()), scope=scope_of(key=MASTER))
    assert (client.status, client.headers.get("x-switchgear-ignored")) == (status, told)


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("deep=1&expand=user", 200, "expand"),
        ("deep=1&include_metadata=true&expand=user", 200, "expand, include_metadata"),
        ("deep=1&project_id=p", 400, None),
    ],
)
def test_a_query_that_only_asks_for_more_is_named_in_the_answer(
    query: str, status: int, told: str | None
) -> None:
    client = handle(House().route(strictly), scope=scope_of(method="GET", query=query))
    assert (client.status, client.headers.get("x-switchgear-ignored")) == (status, told)


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    deep: int = 0


@function("GET", "/strictly", access=Access.MODELS_READ)
async def strictly(request: Strict, ctx: CatalogueContext) -> str:
    """Say what came."""
    return f"{request.deep}"


@function("POST", "/echoing", access=Access.BUDGETS_WRITE, echoes=True)
async def echoing(request: TallyCounts, ctx: CatalogueContext) -> Strict:
    """Say something else than what came."""
    return Strict(deep=7)


def test_a_call_that_echoes_answers_with_what_was_sent_too() -> None:
    client = handle(House().route(echoing), body_of(b'{"count":"3"}'), scope=scope_of(key=MASTER))
    assert json.loads(client.body) == {"deep": 7, "count": "3"}
    assert client.headers["content-length"] == str(len(client.body))


def test_a_body_may_come_in_pieces() -> None:
    text = json.dumps(ASK).encode()
    pieces = [body_of(text[at : at + 7], more=True) for at in range(0, len(text), 7)]
    assert handle(House().route(), *pieces, body_of(b"")).status == 200


def test_a_body_over_the_limit_is_refused_by_its_length_before_it_is_read() -> None:
    house = House()
    client = handle(house.route(), ask(), scope=scope_of(("content-length", str(MAX_BODY + 1))))
    assert (client.status, client.error["reason"]) == (413, "request_too_large")
    assert client.received == 0
    assert [row.http_status for row in house.sink.rows] == [413]


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_body_over_the_limit_is_refused_without_a_length(pieces: int) -> None:
    each = b" " * (MAX_BODY // pieces + 1)
    messages = [body_of(each, more=number < pieces - 1) for number in range(pieces)]
    client = handle(House().route(), *messages, body_of(b"never read"))
    assert client.status == 413
    assert client.received == pieces


def test_bodies_together_have_a_limit_that_is_counted_while_they_are_read() -> None:
    async def run() -> tuple[House, Client, Client]:
        house = House(FakeUpstream(Answer(stalls=True)))
        text = json.dumps({**ASK, "user": "u" * (MAX_BODY - 100)}).encode()
        slow = [Client(body_of(text[:2000], more=True)) for _ in range(3)]
        held = [Client(body_of(text)) for _ in range(2)]
        tasks = [
            asyncio.create_task(house.route().handle(scope_of(), each.receive, each.send))
            for each in (*slow, *held)
        ]
        async with asyncio.timeout(5):
            while len(house.upstream.responses) < 1:  # noqa: ASYNC110  (the fake tells nobody)
                await asyncio.sleep(0)
        refused = held[1]
        assert house.room.held_bytes == 6000 + len(text), "half a body counts too"
        for each in (*slow, held[0]):
            each.leave()
        await asyncio.wait(tasks, timeout=5)
        after = Client(ask())
        house.upstream = FakeUpstream(Answer(body=answers.openai_chat()))
        house.give(upstream=house.upstream)
        await house.route().handle(scope_of(), after.receive, after.send)
        return house, refused, after

    house, refused, after = asyncio.run(run())
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert "at most; try again" in refused.error["message"]
    assert (after.status, house.room.held_bytes) == (200, 0)


BROKEN = (body_of(b"{", more=True), {"type": "http.disconnect"})


@pytest.mark.parametrize(
    "messages",
    [
        (ask(),),
        (ask(stream=True),),
        (ask(model="nope"),),
        (ask(messages=3),),
        (body_of(b"no json"),),
        (body_of(b" " * MAX_BODY, more=True), body_of(b"more")),
        BROKEN,
    ],
)
def test_whatever_becomes_of_a_body_its_room_is_given_back(messages: tuple[Message, ...]) -> None:
    streamed = b'"stream": true' in messages[0]["body"]
    answer = Answer(chunks=answers.openai_stream()) if streamed else Answer(body=answers.openai_chat())
    house = House(FakeUpstream(answer))
    house.room = Watched(ROOM)
    handle(house.route(), *messages)
    assert house.room.most_bytes > 0
    assert house.room.held_bytes == 0


class Watched(BodyRoom):
    most_bytes = 0

    def take(self, size: int) -> None:
        super().take(size)
        self.most_bytes = max(self.most_bytes, self.held_bytes)


@pytest.mark.parametrize("first", [[], [body_of(b'{"model"', more=True)]])
def test_a_client_that_leaves_within_its_body_is_refused(first: list[Message]) -> None:
    house = House()
    client = handle(house.route(), *first, {"type": "http.disconnect"})
    assert client.status == 400
    assert "left" in client.error["message"]
    assert house.upstream.requests == []


HALF: Message = {"type": "http.request", "body": b'{"model":', "more_body": True}


@pytest.mark.parametrize("come", [[], [HALF], [HALF, HALF]])
@pytest.mark.parametrize("fn", [chat, generate])
def test_a_body_that_does_not_come_is_given_up(
    monkeypatch: pytest.MonkeyPatch, come: list[Message], fn: Callable[..., Any]
) -> None:
    monkeypatch.setattr(door, "BODY_TIMEOUT_S", 0.05)
    monkeypatch.setattr(door, "WATCH_EVERY_S", 0.02)
    house = House()
    client = handle(house.route(fn), *come, scope=scope_of(key=MASTER if fn is generate else KEY))
    assert (client.status, client.error["message"]) == (400, "The request body did not arrive in time.")
    assert house.upstream.requests == []
    assert house.room.held_bytes == 0
