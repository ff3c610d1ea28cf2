"""Why a call would go where it would go, and what a real call's row and answer say of it."""

import asyncio
import time
from datetime import UTC
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions.chat import chat
from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.explain import explain
from functions.ports.context import ExplainContext
from functions.rules.conversations import KIND, owner_of
from models_registry.routing.fleet import Fleet, id_of
from runtime.blueprint import Checked, check
from runtime.limits.admission import Admissions
from runtime.limits.end_users import EndUsers
from runtime.limits.governor import Governor
from runtime.limits.leases import Leases
from runtime.limits.quotes import LimitQuotes
from runtime.limits.tag_budgets import TagBudgets
from runtime.postgres.database import Database
from runtime.postgres.look_ups import LookUps
from runtime.upstream.router import Router
from schema.chat import ChatRequest, Message
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import ProviderError
from schema.explain import ExplainRequest, Explanation
from schema.ledger.spend_metadata import metadata_of
from schema.limits import Meter, Rule
from schema.responses import StoredResponse
from schema.route_options import RouteOptions, route_options_of
from schema.wire import decode_body
from tests.fakes import answers
from tests.fakes.authority import Silence
from tests.fakes.guardrails import FakeGuardrails
from tests.fakes.ledger import FakeLedger
from tests.fakes.state import FakeState
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import ADMIN, MEMBER, make_call, model_ctx

_decoder = msgspec.json.Decoder(ExplainRequest)


def config(**router: Any) -> dict[str, Any]:
    entries = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"openai/{model}",
                "api_base": f"http://{model}.internal/v1",
                "api_key": "sk-provider-secret",
                "input_cost_per_token": 1e-6,
                "output_cost_per_token": 2e-6,
                "max_parallel_requests": 7,
            },
            "model_info": {"id": model},
        }
        for name, model in (("m", "one"), ("m", "two"), ("n", "three"))
    ]
    return {"model_list": entries, "router_settings": {"fallbacks": [{"m": ["n"]}], **router}}


RULES = (
    Rule(account="money:key:k", meter=Meter.MONEY, who="api_key", subject="key k", limit=5 * 10**9),
    Rule(account="rpm:team:t", meter=Meter.REQUESTS, who="team", subject="team t", limit=60, duration="1m"),
    Rule(account="money:org:o", meter=Meter.MONEY, who="organization", subject="org o", limit=10**12),
)


def guarded_by(checked: Checked) -> FakeGuardrails:
    """The guardrails of a config. They are not asked."""
    door = FakeGuardrails()
    door.rules = checked.guardrails
    return door


def explained(
    dsn: str,
    caller: Caller,
    fleet: Fleet | None = None,
    tags: TagBudgets | None = None,
    document: dict[str, Any] | None = None,
    stays_local: str = "",
    state: FakeState | None = None,
    **body: Any,
) -> Explanation:
    async def run() -> Explanation:
        database = await Database.connect(dsn)
        governor = Governor(Leases(database, UTC))
        await governor.start()
        try:
            policy = Policy()
            customers = EndUsers(policy, Silence(), database, LookUps())
            checked = check(config() if document is None else document, {})
            assert checked.errors == ()
            context = ExplainContext(
                call=make_call(msgspec.structs.replace(caller, rules=RULES), stays_local=stays_local),
                plans=Router(checked.registry, checked.routing, fleet=fleet),
                quotes=LimitQuotes(Admissions(governor, customers, policy, tags), database),
                guardrails=guarded_by(checked),
                state=state or FakeState(),
            )
            request = decode_body(_decoder, msgspec.json.encode({"model": "m"} | body))
            return await explain(request, context)
        finally:
            await governor.close()
            await database.close()

    return asyncio.run(run())


CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1_000}


def test_an_administrator_sees_candidates_addresses_costs_and_all_levels(postgres_dsn: str) -> None:
    found = explained(postgres_dsn, ADMIN, **CHAT)
    assert sorted(each.id for each in found.candidates[:2]) == ["one", "two"]
    assert (found.candidates[2].id, found.candidates[2].fallbacks) == ("three", 1)
    assert found.candidates[2].api_base == "http://three.internal/v1"
    cost = found.candidates[0].most_cost
    assert cost is not None
    assert Decimal("0.002") < cost < Decimal("0.0022")
    assert [rule.of for rule in found.budgets] == ["api_key", "organization"]
    assert (found.budgets[0].limit, found.budgets[0].used) == (Decimal(5), Decimal(0))
    assert [(rule.of, rule.kind, rule.limit) for rule in found.limits] == [("team", "requests", Decimal(60))]
    assert [rule.kind for rule in found.candidates[0].limits] == ["parallel_requests"]
    assert found.refusal is None
    assert "sk-provider-secret" not in msgspec.json.encode(found).decode()


def test_a_caller_sees_the_own_levels_and_no_address(postgres_dsn: str) -> None:
    found = explained(postgres_dsn, MEMBER, **CHAT)
    assert [rule.of for rule in found.budgets] == ["api_key"]
    assert {each.api_base for each in found.candidates} == {None}
    assert [each.limits for each in found.candidates] == [[], [], []]
    assert "internal" not in msgspec.json.encode(found).decode()


def test_what_cools_down_is_told_with_why_and_how_long(postgres_dsn: str) -> None:
    checked = check(config(), {})
    fleet = Fleet()
    one = checked.registry.targets("m", allowed=())[0]
    fleet.failed(one, ProviderError("no", status=429, retry_after_s=500), time.monotonic())
    assert fleet.find(one) is not None
    assert id_of(one) == ("one", "one")
    found = explained(postgres_dsn, MEMBER, fleet)
    assert [each.id for each in found.candidates] == ["two", "three"]
    (drop,) = found.dropped
    assert (drop.id, drop.why) == ("one", "cooling")
    assert drop.detail.startswith("rate limit, ")
    assert {each.most_cost for each in found.candidates} == {None}


def test_a_call_that_would_be_refused_says_by_which_rule(postgres_dsn: str) -> None:
    found = explained(postgres_dsn, MEMBER, model="nobody")
    assert found.refusal is not None
    assert (found.refusal.status, found.refusal.reason) == (404, "model_not_found")
    assert found.candidates == []


def test_a_body_that_is_no_call_is_refused(postgres_dsn: str) -> None:
    with pytest.raises(InvalidRequest):
        explained(postgres_dsn, MEMBER, messages="hi")
    with pytest.raises(InvalidRequest):
        explained(postgres_dsn, MEMBER, num_retries="many")


def called(options: RouteOptions, *script: Answer) -> tuple[dict[str, str], list[Any]]:
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(*script), ledger=ledger, config=config(num_retries=1), route_options=options)
    request = ChatRequest(model="m", messages=[Message(role="user", content="Hi")])
    asyncio.run(chat(request, ctx))
    return ctx.call.reply_headers, [metadata_of(row).route for row in ledger.rows]


GOOD = Answer(body=answers.openai_chat())


def test_the_row_of_a_call_says_why_it_went_where_it_went() -> None:
    headers, (first, second) = called(RouteOptions(retries=1), Answer(status=503), GOOD)
    assert first["strategy"] == "simple-shuffle"
    assert {first["id"], second["id"]} == {"one", "two"}
    assert (first["of"], second["retries"]) == (2, 1)
    assert "x-switchgear-explain" not in headers


def test_who_asks_is_told_in_a_header() -> None:
    headers, _ = called(route_options_of({"x-switchgear-explain": "1"}, {}), GOOD)
    record = msgspec.json.decode(headers["x-switchgear-explain"])
    assert record["model"] == "m"
    with pytest.raises(InvalidRequest, match="expected 1 or 0"):
        route_options_of({"x-switchgear-explain": "please"}, {})


def housed() -> dict[str, Any]:
    """A model whose deployment in the cloud comes first, and whose other one is in the house."""
    document = config()
    one, two = document["model_list"][0]["litellm_params"], document["model_list"][1]["litellm_params"]
    one["order"] = 1
    two |= {"api_base": "http://10.0.0.7/v1", "residency": "local"}
    return document


def test_a_dry_run_of_a_call_that_stays_local_has_local_candidates_alone(postgres_dsn: str) -> None:
    cloudy = explained(postgres_dsn, MEMBER, document=housed(), **CHAT)
    assert [(each.id, each.local) for each in cloudy.candidates] == [
        ("one", False),
        ("two", True),
        ("three", False),
    ]
    assert cloudy.stays_local == ""
    found = explained(postgres_dsn, MEMBER, document=housed(), stays_local="team", **CHAT)
    assert [each.id for each in found.candidates] == ["two"]
    assert {(each.id, each.why) for each in found.dropped} == {("one", "not_local"), ("three", "not_local")}
    assert found.stays_local == "team"
    away = explained(postgres_dsn, MEMBER, stays_local="request", **CHAT)
    assert away.candidates == []
    assert {each.why for each in away.dropped if each.id} == {"not_local"}
    assert len([each for each in away.dropped if each.id]) == 3
    assert away.refusal is not None
    assert (away.refusal.status, away.refusal.reason) == (403, "local_only")


def test_a_candidate_says_that_it_refuses_a_picture_that_would_leave(postgres_dsn: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://away.example/x.png"}}
    body: dict[str, Any] = {"messages": [{"role": "user", "content": [picture]}]}
    found = explained(postgres_dsn, MEMBER, document=housed(), stays_local="key", **body)
    assert found.candidates[0].refuses is not None


def test_budgets_of_the_calls_tags_are_told_to_administrators(postgres_dsn: str) -> None:
    class Tagged(TagBudgets):
        def __init__(self) -> None:
            rule = Rule(account="money:tag:x", meter=Meter.MONEY, who="tag", subject="tag x", limit=10**9)
            self.known = {"x": (rule,)}

    found = explained(postgres_dsn, ADMIN, tags=Tagged(), metadata={"tags": ["x"]}, **CHAT)
    assert "tag" in [rule.of for rule in found.budgets]
    own = explained(postgres_dsn, MEMBER, tags=Tagged(), metadata={"tags": ["x"]}, **CHAT)
    assert "tag" not in [rule.of for rule in own.budgets]


GUARDED: dict[str, Any] = {
    "guardrails": [
        {
            "guardrail_name": "shield",
            "litellm_params": {
                "guardrail": "generic_guardrail_api",
                "mode": ["pre_call", "post_call"],
                "api_base": "https://guard.example",
                "default_on": True,
            },
        }
    ],
    "general_settings": {
        "content_rules": [
            {"name": "cards", "find": "card", "action": "local_only"},
            {"name": "files", "pattern": "AZ-[0-9]{6}", "action": "refuse"},
        ]
    },
}


def test_guardrails_and_rules_about_contents_are_told_and_nobody_is_asked(postgres_dsn: str) -> None:
    found = explained(postgres_dsn, MEMBER, document={**config(), **GUARDED}, **CHAT)
    assert (found.guardrails, found.rules, found.refusal) == (["shield"], [], None)
    card: dict[str, Any] = {"messages": [{"role": "user", "content": "4111 1111 1111 1111"}]}
    found = explained(postgres_dsn, MEMBER, document={**config(), **GUARDED}, **card)
    assert (found.stays_local, found.rules) == ("rule:cards", ["cards"])
    assert found.refusal is not None
    assert found.refusal.reason == "local_only"
    found = explained(postgres_dsn, MEMBER, document={**housed(), **GUARDED}, **card)
    assert found.refusal is not None
    assert found.refusal.reason == "guardrail_not_local"
    files: dict[str, Any] = {"messages": [{"role": "user", "content": "AZ-123456"}]}
    found = explained(postgres_dsn, MEMBER, document={**config(), **GUARDED}, **files)
    assert found.refusal is not None
    assert (found.refusal.reason, found.rules) == ("guardrail_refused", ["files"])


def kept(caller: Caller, *, stays_local: bool = False, said: str = "hi") -> FakeState:
    """A stored response `resp_1` of a caller, which the deployment `two` gave."""
    state = FakeState()
    stored = StoredResponse(
        response=msgspec.Raw(
            b'{"id":"resp_1","output":[{"type":"message","role":"assistant","content":"yes"}]}'
        ),
        input=[msgspec.Raw(msgspec.json.encode({"role": "user", "content": said}))],
        deployment="two",
        stays_local=stays_local,
    )
    state.values[KIND, owner_of(caller), "resp_1"] = msgspec.json.encode(stored)
    return state


def test_a_conversation_that_goes_on_is_explained_as_its_call_would_go(postgres_dsn: str) -> None:
    body: dict[str, Any] = {"input": "and now?", "previous_response_id": "resp_1"}
    document = config(optional_pre_call_checks=["responses_api_deployment_check"])
    for _ in range(3):
        found = explained(postgres_dsn, MEMBER, document=document, state=kept(MEMBER), **body)
        assert found.candidates[0].id == "two", "it stays where the response came from"
    found = explained(postgres_dsn, MEMBER, state=kept(MEMBER, stays_local=True), **body)
    assert (found.stays_local, found.candidates) == ("conversation", [])
    assert found.refusal is not None
    assert found.refusal.reason == "local_only"
    rules = {"content_rules": [{"name": "mail", "find": "email", "action": "refuse"}]}
    found = explained(
        postgres_dsn,
        MEMBER,
        document=config() | {"general_settings": rules},
        state=kept(MEMBER, said="I am ada@example.org"),
        **body,
    )
    assert found.rules == ["mail"], "what was said before is read as well"


@pytest.mark.parametrize("id", ["resp_1", "resp_2", ""])
def test_a_response_of_somebody_else_is_not_explained(postgres_dsn: str, id: str) -> None:
    for state in (kept(ADMIN), FakeState(is_open=False)):
        with pytest.raises(InvalidRequest, match=r"Previous response with id .* not found"):
            explained(postgres_dsn, MEMBER, state=state, input="and now?", previous_response_id=id)
