"""LiteLLM's management calls, probed field by field, parameter by parameter and route by route."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e import management_rows as rows
from tests.e2e.gateway import ROOT, Gateway, serving
from tests.e2e.management_rows import ABSENT, ALIAS, QUERIES, SERVED, Asked, Place, Sent

Json = dict[str, Any]  # an answer of any shape
DIFFERENCES = (ROOT / "docs/litellm.md").read_text()
CONFIG = {
    "model_list": [
        {"model_name": "gpt", "litellm_params": {"model": "openai/gpt-4", "api_key": "sk-upstream-secret"}}
    ],
    "guardrails": [
        {
            "guardrail_name": "shield",
            "litellm_params": {
                "guardrail": "generic_guardrail_api",
                "mode": "pre_call",
                "api_base": "http://127.0.0.1:9",
            },
        }
    ],
}


@pytest.fixture(scope="module")
def gateway(
    postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with one object of each kind, which others can name."""
    name = "management"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    with serving(tmp_path_factory.mktemp("management"), CONFIG, dsn_of(postgres_server, name)) as running:
        for path, fields in (
            ("/team/new", {"team_id": "a-team"}),
            ("/user/new", {"user_id": "a-user"}),
            ("/budget/new", {"budget_id": "a-budget", "max_budget": 9}),
            (
                "/organization/new",
                {"organization_id": "an-organization", "organization_alias": "An organization"},
            ),
            ("/v1/access_group", {"access_group_name": "a-group", "access_model_names": ["gpt"]}),
        ):
            answer = running.post(path, **fields)
            assert answer.status_code == 200, answer.text
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


OF_THE_TEAM = ("budget_duration",)
"""What the answer of /team/member_add tells of the team, as LiteLLM's does."""


def unique() -> str:
    return uuid.uuid4().hex[:12]


def sending(method: str) -> Callable[..., httpx.Response]:
    def send(gateway: Gateway, path: str, body: Json) -> httpx.Response:
        headers = {"authorization": f"Bearer {gateway.key}"}
        return httpx.request(method, gateway.url + path, json=body, headers=headers, timeout=30)

    return send


class Kind(NamedTuple):
    """How an object is made, changed and shown. `made` gives the id in the answer of `new`."""

    new: str
    update: str
    needs: Callable[[], Json]
    """What a body of `new` has to have."""
    id: str
    """The field by which an object is named, in the answer and in the body of an update."""
    shown: str
    """The path and query that show an object."""
    inside: str = ""
    """Where in that answer the row stands."""
    method: str = "POST"
    """The method of the update."""


def nothing() -> Json:
    return {}


KEY = Kind("/key/generate", "/key/update", nothing, "key", "/key/info?key={}", "info")
SERVICE_KEY = KEY._replace(new="/key/service-account/generate", needs=lambda: {"team_id": "a-team"})
USER = Kind("/user/new", "/user/update", nothing, "user_id", "/user/info?user_id={}", "user_info")
TEAM = Kind("/team/new", "/team/update", nothing, "team_id", "/team/info?team_id={}", "team_info")
CUSTOMER = Kind(
    "/customer/new",
    "/customer/update",
    lambda: {"user_id": unique()},
    "user_id",
    "/customer/info?end_user_id={}",
)
BUDGET = Kind("/budget/new", "/budget/update", nothing, "budget_id", "")
ORGANIZATION = Kind(
    "/organization/new",
    "/organization/update",
    lambda: {"organization_alias": unique()},
    "organization_id",
    "/organization/info?organization_id={}",
    method="PATCH",
)
KINDS = {
    "key": (KEY, rows.KEY),
    "service key": (
        SERVICE_KEY,
        tuple(each for each in rows.KEY if each.name not in ("user_id", "organization_id")),
    ),
    "user": (USER, rows.USER),
    "team": (TEAM, rows.TEAM),
    "customer": (CUSTOMER, rows.CUSTOMER),
    "budget": (BUDGET, rows.BUDGETS),
    "organization": (ORGANIZATION, rows.ORGANIZATION),
}
PROBES = [
    pytest.param(kind, sent, on, id=f"{kind}-{on}-{sent.name}-{sent.place.name}")
    for kind, (_, fields) in KINDS.items()
    for sent in fields
    for on in sent.on
]


def filled(value: object) -> Any:
    """The value with a text that nothing else has, where it asks for one."""
    return json.loads(json.dumps(value).replace(ALIAS, unique()))


def same(found: object, sent: object) -> bool:
    """Whether a value is the one that was sent. Times are compared as times; a row has more than was sent."""
    if isinstance(sent, dict) and isinstance(found, dict):
        return all(same(found.get(name), value) for name, value in sent.items())
    if isinstance(sent, list) and isinstance(found, list):
        return len(sent) == len(found) and all(map(same, found, sent))
    if isinstance(sent, str) and isinstance(found, str):
        return found.replace("Z", "+00:00") == sent
    return found == sent


def shown(gateway: Gateway, kind: Kind, id: str) -> Json:
    if not kind.shown:
        (row,) = gateway.post("/budget/info", budgets=[id]).json()
        return dict(row)
    answer = gateway.get(kind.shown.format(id))
    assert answer.status_code == 200, answer.text
    whole: Json = answer.json()
    return whole[kind.inside] if kind.inside else whole


def holding(row: Json, place: Place) -> Json:
    if place is Place.METADATA:
        return row["metadata"] or {}
    if place is Place.BUDGET:
        return row["litellm_budget_table"] or {}
    return row


@pytest.mark.parametrize(("name", "sent", "on"), PROBES)
def test_a_field_is_echoed_and_shown_or_named(gateway: Gateway, name: str, sent: Sent, on: str) -> None:
    kind = KINDS[name][0]
    value = filled(sent.value)
    body = {**kind.needs(), **sent.beside, sent.name: value}
    if on == "new":
        answer = sending("POST")(gateway, kind.new, body)
    else:
        made = gateway.post(kind.new, **kind.needs())
        assert made.status_code == 200, made.text
        body = {**sent.beside, sent.name: value, kind.id: made.json()[kind.id]}
        answer = sending(kind.method)(gateway, kind.update, body)
    if sent.place is Place.REFUSED:
        assert answer.status_code == 400, answer.text
        assert sent.name in answer.text
        return
    assert answer.status_code == 200, answer.text
    told = answer.headers.get("x-switchgear-ignored", "").split(", ")
    assert (sent.name in told) == (sent.place is Place.IGNORED)
    whole: Json = answer.json()
    echo = whole.get("data", whole)
    if sent.place is not Place.IGNORED:
        assert same(echo.get(sent.name), value), (sent.name, echo.get(sent.name))
    if sent.place in (Place.ROW, Place.METADATA, Place.BUDGET):
        row = shown(gateway, kind, str(whole.get(kind.id, body.get(kind.id))))
        assert same(holding(row, sent.place).get(sent.name), value), row


@pytest.mark.parametrize(
    ("sent", "on"),
    [
        pytest.param(sent, on, id=f"{on}-{sent.name}-{sent.place.name}")
        for sent in rows.MEMBER
        for on in sent.on
    ],
)
def test_a_members_field_is_echoed_and_shown_or_named(gateway: Gateway, sent: Sent, on: str) -> None:
    team_id, user_id = unique(), unique()
    assert gateway.post("/team/new", team_id=team_id).status_code == 200
    member = {"role": "user", "user_id": user_id}
    if on == "new":
        body = {"team_id": team_id, "member": member, sent.name: sent.value}
        answer = sending("POST")(gateway, "/team/member_add", body)
    else:
        gateway.post("/team/member_add", team_id=team_id, member=member)
        body = {"team_id": team_id, "user_id": user_id, sent.name: sent.value}
        answer = sending("POST")(gateway, "/team/member_update", body)
    if sent.place is Place.REFUSED:
        assert (answer.status_code, sent.name in answer.text) == (400, True), answer.text
        return
    assert answer.status_code == 200, answer.text
    if on == "update" or sent.name not in OF_THE_TEAM:
        assert same(answer.json().get(sent.name), sent.value), answer.text
    found = gateway.get(f"/team/info?team_id={team_id}").json()["team_memberships"]
    (row,) = (each for each in found if each["user_id"] == user_id)
    if sent.place in (Place.ROW, Place.BUDGET):
        assert same(holding(row, sent.place).get(sent.name), sent.value), row
    else:
        assert row["litellm_budget_table"]["max_budget"] == sent.value


def names_of(place: Place) -> list[str]:
    return sorted({each.name for _, fields in KINDS.values() for each in fields if each.place is place})


@pytest.mark.parametrize("name", names_of(Place.REFUSED) + names_of(Place.IGNORED))
def test_a_field_that_is_refused_or_has_no_effect_is_a_documented_difference(name: str) -> None:
    assert f"`{name}`" in DIFFERENCES or name == rows.MISSPELT


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: f"{asked.path}?{asked.query}")
def test_a_query_parameter_is_taken_or_refused_by_name(gateway: Gateway, asked: Asked) -> None:
    answer = gateway.get(f"{asked.path}?{asked.query}")
    assert answer.status_code == asked.status, answer.text
    if asked.status == 400:
        name = re.findall(r"(\w+)=", asked.query)[-1]
        assert name in answer.text
        assert f"`{name}`" in DIFFERENCES


@pytest.mark.parametrize("line", SERVED.split("\n")[1:-1])
def test_a_route_is_served(gateway: Gateway, line: str) -> None:
    method, path = line.split(" ")
    served = {
        (method, re.sub(r"\{(\w+)[^}]*\}", "{}", route["path"]))
        for route in gateway.get("/routes").json()["routes"]
        for method in route["methods"]
    }
    assert (method, re.sub(r"\{\w+\}", "{}", path)) in served


@pytest.mark.parametrize("line", ABSENT.split("\n")[1:-1])
def test_a_route_that_is_not_served_is_404_and_a_documented_difference(gateway: Gateway, line: str) -> None:
    method, path = line.split(" ")
    answer = sending(method)(gateway, re.sub(r"\{\w+\}", "x", path), {})
    assert answer.status_code in (404, 405), answer.text
    family = path.split("/")[1]
    assert any(f"`{prefix}" in DIFFERENCES for prefix in (path, f"/{family}/"))
