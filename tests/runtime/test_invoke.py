"""From bytes to a function and back, in process: limits, errors, leaving clients, streams."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest

from functions.chat import chat
from functions.contract.call import Call
from functions.contract.function import EventStream, function, manifest_of
from functions.contract.roles import Access
from functions.keys import generate
from functions.models import retrieve
from functions.ports.context import CatalogueContext
from functions.ports.models import Bounds
from functions.spend import logs
from models_registry.target import Target
from models_registry.turns.sse import failure_frame
from runtime.blueprint import check
from runtime.catalog import Entry, entries
from runtime.identity.authenticator import Authenticator
from runtime.intake.body_room import BodyRoom
from runtime.intake.searches import Searches
from runtime.invoke import Endpoint, Gateway, Incoming
from runtime.ledger.attempts import BookedLedger
from runtime.limits.admission import NOTHING_HELD, Admission
from runtime.registry.live_models import LiveModels
from runtime.upstream.router import Router
from runtime.web import door
from runtime.web.door import ClientWatch, Door
from runtime.web.mount import mount
from schema.errors.base import GatewayError
from schema.errors.callers import NotAllowed
from schema.errors.overload import SHUTTING_DOWN, ShuttingDown
from schema.errors.upstream import ProviderError, UpstreamCut
from schema.ledger.rows import Outcome
from schema.models import ModelCard
from schema.secret import Secret
from schema.undeclared import refuse_undeclared
from schema.wire import Wire
from tests.fakes import answers
from tests.fakes.authority import FakeFinder, Silence
from tests.fakes.ledger import ListSink, NoLimits
from tests.fakes.ports import make_ports
from tests.fakes.spend import FakeSpend
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import CONFIG, make_registry, make_router
from tests.runtime.identity.test_authenticator import KEY, record_of

MASTER = "sk-master-key-of-these-tests"
MAX_BODY = 4096
ROOM = 3 * MAX_BODY
ASK = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
Message = dict[str, Any]  # ASGI's own type


class House:
    """A gateway on fakes, and what it booked."""

    def __init__(self, upstream: FakeUpstream | None = None) -> None:
        self.upstream = upstream or FakeUpstream(Answer(body=answers.openai_chat()))
        self.sink = ListSink()
        self.log: list[bytes] = []
        keys = FakeFinder(record_of(user_id="ada"))
        ledger = BookedLedger(self.sink, NoLimits())
        self.room = BodyRoom(ROOM)
        self.gateway = Gateway(
            authenticator=Authenticator(Secret(MASTER), keys, Silence()),
            ledger=ledger,
            ports=make_ports(
                models=LiveModels(make_registry()),
                routes=make_router(),
                upstream=self.upstream,
                ledger=ledger,
                spend=FakeSpend(),
            ),
            max_body_bytes=MAX_BODY,
            body_room=self.room,
            searches=Searches(),
            log_line=self.log.append,
        )

    def give(self, **ports: object) -> None:
        """Put these in the place of some ports."""
        changed = msgspec.structs.replace(self.gateway.ports, **ports)
        self.gateway = msgspec.structs.replace(self.gateway, ports=changed)

    def endpoint(self, fn: Callable[..., Any] = chat) -> Endpoint:
        return Endpoint(Entry(function=fn, manifest=manifest_of(fn)), self.gateway)

    def route(self, fn: Callable[..., Any] = chat, *, keepalive_s: float = 0.0) -> Door:
        endpoint = self.endpoint(fn)
        decoder = self.gateway.decoder
        return Door(
            {endpoint.manifest.method: endpoint},
            MAX_BODY,
            room=self.room,
            decoder=decoder,
            watch=ClientWatch(),
            keepalive_s=keepalive_s,
        )


class Client:
    """The other side of a route: `receive` gives the messages in order and then waits for `leave`."""

    def __init__(self, *messages: Message, stops_reading_after: int | None = None) -> None:
        self._messages = list(messages)
        self._left = asyncio.Event()
        self._stops_after = stops_reading_after
        self.got: list[Message] = []
        self.received = 0
        self.progress = asyncio.Event()

    async def receive(self) -> Message:
        self.received += 1
        if self._messages:
            return self._messages.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.got.append(message)
        self.progress.set()
        if self._stops_after is not None and len(self.got) >= self._stops_after:
            await asyncio.Event().wait()

    def leave(self) -> None:
        self._left.set()

    @property
    def status(self) -> int:
        return int(self.got[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.got[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.got[1:])

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


def scope_of(
    *headers: tuple[str, str], method: str = "POST", query: str = "", key: str | None = KEY
) -> dict[str, Any]:
    pairs = [*headers, *([("authorization", f"Bearer {key}")] if key else [])]
    return {
        "type": "http",
        "method": method,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
        "client": ("192.0.2.7", 4711),
    }


def body_of(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


def ask(**fields: object) -> Message:
    return body_of(json.dumps({**ASK, **fields}).encode())


def handle(route: Door, *messages: Message, scope: dict[str, Any] | None = None) -> Client:
    """One request, from a client that stays."""

    async def run() -> Client:
        client = Client(*messages)
        await route.handle(scope or scope_of(), client.receive, client.send)
        return client

    return asyncio.run(run())


def test_a_call_is_answered_with_its_length_and_its_id() -> None:
    house = House()
    client = handle(house.route(), ask())
    assert client.status == 200
    assert client.headers["content-type"] == "application/json"
    assert client.headers["content-length"] == str(len(client.body))
    assert json.loads(client.body)["choices"][0]["message"]["content"] == "".join(answers.TEXT)
    (row,) = house.sink.rows
    assert client.headers["x-litellm-call-id"] == row.request_id
    assert (row.outcome, row.requester_ip, row.user_id) == (Outcome.OK, "192.0.2.7", "ada")


@pytest.mark.parametrize("digits", [19, 400, 5_000])
def test_a_length_of_many_digits_is_too_large(digits: int) -> None:
    client = handle(House().route(), ask(), scope=scope_of(("content-length", "9" * digits)))
    assert (client.status, client.error["reason"]) == (413, "request_too_large")


@pytest.mark.parametrize("length", ["x", "-1", "\u00b2", "1e3", "1, 1", ""])
def test_a_length_that_is_no_number_is_not_believed(length: str) -> None:
    scope = scope_of()
    scope["headers"].append((b"content-length", length.encode("latin-1")))
    assert handle(House().route(), ask(), scope=scope).status == 200


def test_the_request_id_is_made_here_and_sorts_by_time() -> None:
    house = House()
    for _ in range(50):
        handle(
            house.route(), ask(), scope=scope_of(("x-litellm-call-id", "mine"), ("x-request-id", "theirs"))
        )
    ids = [row.request_id for row in house.sink.rows]
    assert {uuid.UUID(id_).version for id_ in ids} == {7}
    assert {uuid.UUID(id_).variant for id_ in ids} == {uuid.RFC_4122}
    assert len(set(ids)) == 50
    assert [id_[:8] for id_ in ids] == sorted(id_[:8] for id_ in ids)
    assert {row.call_id for row in house.sink.rows} == {"mine"}


def test_a_call_is_labelled_by_its_headers_and_its_body_and_so_is_a_refused_one() -> None:
    house = House()
    scope = scope_of(("x-litellm-tags", "a,b"), ("x-litellm-session-id", "s"))
    assert handle(house.route(), ask(metadata={"tags": ["c"]}), scope=scope).status == 200
    assert handle(house.route(), ask(model="nope"), scope=scope).status == 404
    bad = handle(house.route(), ask(metadata={"tags": [1]}))
    assert (bad.status, bad.error["param"]) == (400, "metadata.tags")
    assert [(row.tags, row.session_id) for row in house.sink.rows] == [
        (("a", "b", "c"), "s"), (("a", "b"), "s"), ((), None),
    ]  # fmt: skip


def test_a_clients_own_id_of_the_call_is_sent_back_and_kept() -> None:
    house = House()
    scope = scope_of(("x-litellm-call-id", "mine-1"))
    for sent in (ask(), ask(model="nope"), body_of(b"{oops")):
        assert handle(house.route(), sent, scope=scope).headers["x-litellm-call-id"] == "mine-1"
    assert {row.call_id for row in house.sink.rows} == {"mine-1"}
    assert "mine-1" not in {row.request_id for row in house.sink.rows}
    listed = handle(house.route(logs), scope=scope_of(("x-litellm-call-id", "mine-2"), method="GET"))
    assert listed.headers["x-litellm-call-id"] == "mine-2"


@pytest.mark.parametrize("unfit", ["x" * 257, "\u00fcber", ""])
def test_an_id_of_the_call_that_cannot_be_sent_back_is_replaced_by_ours(unfit: str) -> None:
    house = House()
    scope = scope_of()
    scope["headers"].append((b"x-litellm-call-id", unfit.encode("latin-1")))
    client = handle(house.route(), ask(), scope=scope)
    (row,) = house.sink.rows
    assert client.headers["x-litellm-call-id"] == row.request_id == row.call_id


def test_a_row_has_the_clients_trace_its_metadata_and_its_program() -> None:
    house = House()
    scope = scope_of(
        ("x-litellm-trace-id", "t"),
        ("x-litellm-spend-logs-metadata", '{"run": 7}'),
        ("user-agent", "OpenAI/Python 1.2"),
        ("x-litellm-tags", "a"),
    )
    for sent in (ask(), ask(model="nope")):
        handle(house.route(), sent, scope=scope)
    kept = ("t", "t", '{"run":7}', ("a", "User-Agent: OpenAI", "User-Agent: OpenAI/Python 1.2"))
    assert [(row.session_id, row.trace_id, row.spend_logs_metadata, row.tags) for row in house.sink.rows] == [
        kept,
        kept,
    ]
    house.gateway = msgspec.structs.replace(house.gateway, tags_agents=False)
    handle(house.route(), ask(), scope=scope)
    assert house.sink.rows[-1].tags == ("a",)


@pytest.mark.parametrize(
    ("word", "who"), [("true", "request"), ("TRUE", "request"), ("1", "request"), ("false", ""), ("0", "")]
)
def test_a_request_may_ask_to_stay_local(word: str, who: str) -> None:
    house = House()
    handle(house.route(), ask(), scope=scope_of(("x-switchgear-local-only", word)))
    (row,) = house.sink.rows
    if who:
        assert (row.error_class, row.http_status) == ("NotLocal", 403)
    else:
        assert row.http_status == 200


def test_a_word_that_is_neither_yes_nor_no_is_refused() -> None:
    house = House()
    sent = handle(house.route(), ask(), scope=scope_of(("x-switchgear-local-only", "perhaps")))
    assert sent.got[0]["status"] == 400
    assert b"expected true or false" in sent.got[1]["body"]


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


class Blocking(NoLimits):
    """Admissions that let every customer in but one."""

    async def admit(self, call: Call, target: Target, bounds: Bounds, customer: str | None) -> Admission:
        if customer == "eve":
            raise NotAllowed("The customer is blocked.")
        return NOTHING_HELD


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (("x-litellm-customer-id", "NAME"), {}),
        (("x-litellm-end-user-id", "NAME"), {}),
        (("x-shop-user", "NAME"), {}),
        (("x-other", "-"), {"user": "NAME"}),
        (("x-other", "-"), {"metadata": {"user_id": "NAME"}}),
        (("x-other", "-"), {"litellm_metadata": {"user": "NAME"}}),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_the_customers_block_holds_wherever_the_call_names_it(
    header: tuple[str, str], fields: dict[str, Any], streamed: bool
) -> None:
    answer = Answer(chunks=answers.openai_stream()) if streamed else Answer(body=answers.openai_chat())
    house = House(FakeUpstream(answer))
    ledger = BookedLedger(house.sink, Blocking())
    house.gateway = msgspec.structs.replace(house.gateway, ledger=ledger, customer_headers=("x-shop-user",))
    house.give(ledger=ledger)

    def call(name: str, **more: object) -> int:
        body = json.loads(json.dumps(fields).replace("NAME", name))
        scope = scope_of((header[0], header[1].replace("NAME", name)))
        return handle(house.route(), ask(**{**body, **more}, stream=streamed), scope=scope).status

    assert [call("carl"), call("eve"), call("eve", model="nope")] == [200, 403, 404]
    assert [(row.end_user, row.outcome) for row in house.sink.rows] == [
        ("carl", Outcome.OK), ("eve", Outcome.REFUSED), ("eve", Outcome.REFUSED),
    ]  # fmt: skip


def test_a_call_that_names_two_customers_is_refused() -> None:
    client = handle(House().route(), ask(user="carl"), scope=scope_of(("x-litellm-customer-id", "eve")))
    assert (client.status, client.error["param"]) == (400, "user")


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


def test_without_a_key_nothing_is_read_and_nothing_is_booked() -> None:
    house = House()
    client = handle(house.route(), ask(), scope=scope_of(key=None))
    assert (client.status, client.headers["www-authenticate"]) == (401, "Bearer")
    assert client.received == 0
    assert house.sink.rows == []


def test_a_header_sent_twice_is_no_choice_between_two() -> None:
    house = House()
    twice = scope_of(("authorization", f"Bearer {KEY}"), key="sk-another-key-0123456789")
    client = handle(house.route(), ask(), scope=twice)
    assert client.status == 401


def test_an_unexpected_error_is_a_500_that_tells_nothing_and_has_a_row() -> None:
    house = House(FakeUpstream())  # it asserts that it is not called
    client = handle(house.route(), ask())
    assert client.status == 500
    assert client.error == {
        "message": "The gateway failed; its log says why.",
        "type": "internal_server_error",
        "param": None,
        "code": "500",
        "reason": "internal_error",
    }
    (row,) = house.sink.rows
    assert (row.http_status, row.error_class, row.error_message) == (500, "AssertionError", None)


@pytest.mark.parametrize(("seconds", "shown"), [(7, "7"), (0.2, "1"), (2.6, "3"), (None, None)])
def test_retry_after_is_whole_seconds_and_never_zero(seconds: float | None, shown: str | None) -> None:
    busy = ProviderError("Slow down.", status=429, retry_after_s=seconds)
    client = handle(House(FakeUpstream(busy)).route(), ask())
    assert client.status == 429
    assert client.headers.get("retry-after") == shown


def test_a_wrong_type_names_its_path() -> None:
    client = handle(House().route(), ask(messages=[{"role": "user", "content": "hi"}, {"role": 3}]))
    assert (client.status, client.error["param"]) == (400, "messages[1].role")


def test_a_wrong_method_says_which_is_right() -> None:
    client = handle(House().route(), scope=scope_of(method="PATCH"))
    assert (client.status, client.headers["allow"]) == (405, "POST")


def test_a_function_for_admins_refuses_others() -> None:
    house = House()
    refused = handle(house.route(admins), body_of(b"{}"))
    assert (refused.status, refused.error["type"]) == (403, "permission_error")
    assert house.sink.rows == [], "it calls no model"
    allowed = handle(house.route(admins), body_of(b"{}"), scope=scope_of(key=MASTER))
    assert allowed.status == 200


def test_a_path_parameter_goes_before_a_query_of_its_name() -> None:
    scope = scope_of(method="GET", query="model=claude&unknown=1") | {"path_params": {"model": "/gpt"}}
    client = handle(House().route(retrieve), scope=scope)
    assert json.loads(client.body)["id"] == "gpt"


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    count: int = 1
    deep: bool = False


@function("POST", "/admins", access=Access.BUDGETS_WRITE)
async def admins(request: Wire, ctx: CatalogueContext) -> str:
    """For admins."""
    return "done"


@function("GET", "/numbers", access=Access.MODELS_READ)
async def numbers(request: Numbers, ctx: CatalogueContext) -> str:
    """Say what came."""
    ctx.call.reply_headers["x-plain"] = "fine"
    ctx.call.reply_headers["x-odd"] = "line\r\nset-cookie: a=b"
    ctx.call.reply_headers["x-wide"] = "größe"
    return f"{request.count} {request.deep}"


def test_query_values_are_converted_and_refused_by_name() -> None:
    route = House().route(numbers)
    assert handle(route, scope=scope_of(method="GET", query="count=7&deep=true")).body == b'"7 True"'
    wrong = handle(route, scope=scope_of(method="GET", query="count=many"))
    assert (wrong.status, wrong.error["param"]) == (400, "count")
    many = handle(route, scope=scope_of(method="GET", query="&".join(["a=1"] * 500)))
    assert (many.status, "more than 100" in many.error["message"]) == (400, True)


def test_a_header_value_that_http_cannot_carry_is_left_out() -> None:
    headers = handle(House().route(numbers), scope=scope_of(method="GET")).headers
    assert headers["x-plain"] == "fine"
    assert {"x-odd", "x-wide", "set-cookie"} & set(headers) == set()


def test_a_stream_is_sent_as_it_comes_and_ends_once() -> None:
    house = House(FakeUpstream(Answer(chunks=answers.openai_stream())))
    client = handle(house.route(), ask(stream=True))
    assert client.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert client.headers["x-accel-buffering"] == "no"
    assert "content-length" not in client.headers
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert [message.get("more_body") for message in client.got[1:]][-1] is False
    assert len(client.got) > 5
    assert [row.outcome for row in house.sink.rows] == [Outcome.OK]


def test_a_stream_that_breaks_ends_in_an_error_event() -> None:
    broken = Answer(chunks=answers.openai_stream()[:3], error=UpstreamCut("It broke off."))
    house = House(FakeUpstream(broken))
    client = handle(house.route(), ask(stream=True))
    assert client.status == 200
    last = client.body.split(b"\n\n")[-2]
    assert json.loads(last.removeprefix(b"data: "))["error"]["reason"] == "upstream_cut"
    assert b"[DONE]" not in client.body
    assert client.got[-1]["more_body"] is False
    assert [row.outcome for row in house.sink.rows] == [Outcome.FAILED]


def test_a_client_that_leaves_stops_a_plain_call() -> None:
    async def run() -> House:
        house = House(FakeUpstream(Answer(stalls=True)))
        client = Client(ask())
        task = asyncio.create_task(house.route().handle(scope_of(), client.receive, client.send))
        async with asyncio.timeout(5):
            while not house.upstream.responses:  # noqa: ASYNC110  (the fake tells nobody)
                await asyncio.sleep(0)
            client.leave()
            await task
        assert client.got == []
        return house

    house = asyncio.run(run())
    assert house.upstream.responses[0].closed
    (row,) = house.sink.rows
    assert (row.outcome, row.http_status, row.estimated) == (Outcome.CANCELLED, 499, True)


def test_a_client_that_leaves_between_two_attempts_has_a_row_of_the_call() -> None:
    async def run() -> House:
        waiting = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        house = House(FakeUpstream(Answer(status=500)))
        house.give(routes=make_router(CONFIG, sleep))
        client = Client(ask())
        task = asyncio.create_task(house.route().handle(scope_of(), client.receive, client.send))
        async with asyncio.timeout(5):
            await waiting.wait()
            client.leave()
            await task
        return house

    house = asyncio.run(run())
    first, call = house.sink.rows
    assert (first.outcome, first.final) == (Outcome.UNCERTAIN, False)
    assert (call.outcome, call.http_status, call.cost_nano) == (Outcome.CANCELLED, 499, 0)
    assert first.request_id == f"{call.request_id}-a1"


@pytest.mark.parametrize("reads", [True, False])
def test_a_client_that_leaves_stops_a_stream(reads: bool) -> None:
    """Also when it had stopped reading, so that a send is under way."""

    async def run() -> House:
        house = House(FakeUpstream(Answer(chunks=answers.openai_stream()[:4], stalls=True)))
        client = Client(ask(stream=True), stops_reading_after=None if reads else 3)
        task = asyncio.create_task(house.route().handle(scope_of(), client.receive, client.send))
        async with asyncio.timeout(5):
            while len(client.got) < (4 if reads else 3):
                client.progress.clear()
                await client.progress.wait()
            client.leave()
            await task
        return house

    house = asyncio.run(run())
    assert house.upstream.responses[0].closed
    (row,) = house.sink.rows
    assert (row.outcome, row.streamed, row.estimated) == (Outcome.CANCELLED, True, True)
    assert row.completion_tokens > 0


def test_a_deadline_from_outside_cancels_the_call_and_books_it() -> None:
    """What a drain does: unlike a client's leaving, it is not swallowed."""

    async def run() -> House:
        house = House(FakeUpstream(Answer(chunks=answers.openai_stream()[:4], stalls=True)))
        client = Client(ask(stream=True))
        task = asyncio.create_task(house.route().handle(scope_of(), client.receive, client.send))
        await client.progress.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return house

    house = asyncio.run(run())
    assert house.upstream.responses[0].closed
    assert [row.outcome for row in house.sink.rows] == [Outcome.CANCELLED]


class Spoken(Wire, frozen=True, kw_only=True, dict=True):
    model: str = ""


class Counting:
    """A stream that counts its closes."""

    def __init__(self) -> None:
        self.closed = 0
        self.why: list[GatewayError | None] = []

    async def events(self) -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    def failed(self, error: GatewayError) -> bytes:
        return failure_frame(error)

    def close(self, error: GatewayError | None = None) -> None:
        self.closed += 1
        self.why.append(error)


class CountingContext(msgspec.Struct, frozen=True, kw_only=True):
    readiness: Counting


@function("POST", "/count", access=Access.MODEL)
async def count(request: Spoken, ctx: CountingContext) -> EventStream:
    """Count."""
    return ctx.readiness


def test_a_stream_is_closed_exactly_once_even_if_the_reply_cannot_be_sent() -> None:
    async def broken_send(message: Message) -> None:
        raise ConnectionResetError

    async def run() -> None:
        house, stream = House(), Counting()
        house.give(readiness=stream)
        route = house.route(count)
        client = Client(body_of(b"{}"))
        with pytest.raises(ConnectionResetError):
            await route.handle(scope_of(), client.receive, broken_send)
        assert stream.closed == 1
        client = Client(body_of(b"{}"))
        await route.handle(scope_of(), client.receive, client.send)
        assert stream.closed == 2
        assert client.body == b"data: 1\n\ndata: 2\n\n"

    asyncio.run(run())


def test_a_stream_cut_at_the_drain_deadline_is_no_client_that_left() -> None:
    async def run() -> Counting:
        house, stream = House(), Counting()
        house.give(readiness=stream)
        stuck = asyncio.Event()

        async def slow_send(message: Message) -> None:
            if message.get("body"):
                stuck.set()
                await asyncio.Event().wait()

        handling = house.route(count).handle(scope_of(), Client(body_of(b"{}")).receive, slow_send)
        task = asyncio.create_task(handling)
        await stuck.wait()
        task.cancel(SHUTTING_DOWN)
        with pytest.raises(asyncio.CancelledError):
            await task
        return stream

    assert isinstance(asyncio.run(run()).why[0], ShuttingDown)


def test_each_request_is_one_line_of_log_without_what_was_said() -> None:
    house = House()
    handle(house.route(), ask())
    handle(house.route(), ask(model="nothing"))
    handle(house.route(), ask(), scope=scope_of(key="sk-stranger-0123456789"))
    lines = [json.loads(line) for line in house.log]
    assert [(line["function"], line["status"], line["level"]) for line in lines] == [
        ("chat", 200, "info"),
        ("chat", 404, "info"),
        ("chat", 401, "info"),
    ]
    assert [line["request_id"] for line in lines[:2]] == [row.request_id for row in house.sink.rows]
    for secret in (KEY, "sk-stranger", '"hi"', "".join(answers.TEXT)):
        assert secret.encode() not in b"".join(house.log)


def test_an_endpoint_answers_without_http() -> None:
    async def body() -> bytes:
        return json.dumps(ASK).encode()

    async def run() -> int:
        incoming = Incoming(headers={"authorization": f"Bearer {KEY}"}, read_body=body)
        reply = await House().endpoint().invoke(incoming)
        assert isinstance(reply.body, bytes)
        reply.done()
        return reply.status

    assert asyncio.run(run()) == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/chat/completions", 405, {"POST"}),
        ("POST", "/v1/models/gpt", 405, {"GET", "OPTIONS"}),
        ("DELETE", "/openapi.json", 405, {"GET", "OPTIONS"}),
        ("GET", "/nothing/here", 404, set()),
        ("POST", "/", 405, {"GET", "OPTIONS"}),
    ],
)
def test_what_the_framework_refuses_is_in_our_envelope(
    method: str, path: str, status: int, allow: set[str]
) -> None:
    async def run() -> httpx.Response:
        app = mount(entries(), House().gateway)
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # Litestar's scope is a TypedDict
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
            return await client.request(method, path, headers={"authorization": f"Bearer {KEY}"})

    answer = asyncio.run(run())
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code", "reason"}
    assert set(filter(None, answer.headers.get("allow", "").split(", "))) == allow


def test_the_mounted_application_serves_a_path_with_slashes_and_its_own_pages() -> None:
    async def run() -> tuple[httpx.Response, httpx.Response, httpx.Response]:
        transport = httpx.ASGITransport(app=mount(entries(), House().gateway))  # type: ignore[arg-type]  # as above
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
            headers = {"authorization": f"Bearer {KEY}"}
            model = await client.get("/v1/models/openai/*", headers=headers)
            return model, await client.get("/openapi.json"), await client.get("/docs")

    model, document, page = asyncio.run(run())
    assert msgspec.json.decode(model.content, type=ModelCard).id == "openai/*"
    assert document.json()["openapi"] == "3.1.0"
    assert page.headers["content-type"].startswith("text/html")


def test_what_was_changed_for_the_model_is_told_and_what_was_not_is_not() -> None:
    house = House()
    registry = check(
        {
            "model_list": [
                {"model_name": "five", "litellm_params": {"model": "openai/gpt-5", "api_key": "sk-x"}},
                {"model_name": "four", "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-x"}},
            ]
        },
        {},
    )
    house.give(routes=Router(registry.registry, registry.routing))
    fields = {"max_tokens": 9, "temperature": 0.2, "drop_params": True}
    changed = handle(house.route(), ask(model="five", **fields))
    assert (changed.status, changed.headers["x-switchgear-changed"]) == (200, "max_tokens, temperature")
    assert json.loads(house.upstream.requests[0].body) == {
        "model": "gpt-5",
        "messages": ASK["messages"],
        "max_completion_tokens": 9,
    }
    assert "x-switchgear-changed" not in handle(house.route(), ask(model="four", **fields)).headers


def test_a_customer_counts_though_its_name_is_not_sent() -> None:
    house = House()
    params = {"model": "openai/gpt-4o", "api_key": "sk-x", "additional_drop_params": ["user"]}
    checked = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, {})
    house.give(routes=Router(checked.registry, checked.routing))
    client = handle(house.route(), ask(model="m", user="bob", additional_drop_params=["seed"], seed=7))
    assert (client.status, client.headers["x-switchgear-changed"]) == (200, "user, seed")
    assert "user" not in json.loads(house.upstream.requests[0].body)
    assert house.sink.rows[0].end_user == "bob"
