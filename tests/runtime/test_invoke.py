"""From bytes to a function and back, in process: labels, keys, errors, the reply."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import msgspec
import pytest

from functions.contract.call import Call
from functions.contract.function import function
from functions.contract.roles import Access
from functions.models import retrieve
from functions.ports.context import CatalogueContext
from functions.ports.models import Bounds
from functions.spend import logs
from models_registry.target import Target
from runtime.blueprint import check
from runtime.catalog import entries
from runtime.invoke import Incoming
from runtime.ledger.attempts import BookedLedger
from runtime.limits.admission import NOTHING_HELD, Admission
from runtime.upstream.router import Router
from runtime.web.mount import mount
from schema.errors.callers import NotAllowed
from schema.errors.upstream import ProviderError
from schema.ledger.rows import Outcome
from schema.models import ModelCard
from schema.wire import Wire
from tests.fakes import answers
from tests.fakes.ledger import NoLimits
from tests.fakes.upstream import Answer, FakeUpstream
from tests.runtime.identity.test_authenticator import KEY
from tests.runtime.in_process import (
    ASK,
    MASTER,
    House,
    ask,
    body_of,
    handle,
    scope_of,
)


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
