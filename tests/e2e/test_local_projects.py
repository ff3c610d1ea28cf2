"""A project whose calls stay local: on each surface, in what explains a call, and in its row."""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, query, serving, until
from tests.fakes.hostile_upstream import HostileUpstream

TEXT = "Who is ill?"
SURFACES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": TEXT}]},
    "/v1/completions": {"prompt": TEXT},
    "/v1/messages": {"messages": [{"role": "user", "content": TEXT}], "max_tokens": 10},
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": TEXT}]},
    "/v1/responses": {"input": TEXT},
    "/v1/embeddings": {"input": TEXT},
}
ROW = 'SELECT metadata, project_id FROM "LiteLLM_SpendLogs" WHERE litellm_call_id = $1'


class Hospital(NamedTuple):
    """A gateway with a model in the house and one in the cloud, and a key of the project that stays local."""

    gateway: Gateway
    key: str
    house: HostileUpstream
    cloud: HostileUpstream


@pytest.fixture(scope="module")
def hospital(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    execute(postgres_server, "CREATE DATABASE local_projects")

    def entry(name: str, upstream: HostileUpstream, **more: str) -> dict[str, Any]:
        params = {"model": "openai/gpt-4o", "api_base": f"{upstream.url}/v1", "api_key": "none", **more}
        return {"model_name": name, "litellm_params": params}

    with HostileUpstream().in_thread() as house, HostileUpstream().in_thread() as cloud:
        config = {"model_list": [entry("house", house, residency="local"), entry("cloud", cloud)]}
        dsn = dsn_of(postgres_server, "local_projects")
        with serving(tmp_path_factory.mktemp("local-projects"), config, dsn) as gateway:
            assert gateway.post("/team/new", team_id="red").status_code == 200
            made = gateway.post("/project/new", team_id="red", project_id="ward", local_only=True)
            assert made.status_code == 200, made.text
            key = gateway.virtual_key("ward", team_id="red", project_id="ward")
            yield Hospital(gateway, key, house, cloud)


@pytest.mark.parametrize("path", SURFACES)
def test_no_surface_lets_a_call_of_the_project_leave(hospital: Hospital, path: str) -> None:
    refused = hospital.gateway.post(path, key=hospital.key, model="cloud", **SURFACES[path])
    assert refused.status_code == 403, refused.text
    assert "local_only" in refused.text
    assert hospital.cloud.requests == []
    other = hospital.gateway.virtual_key(f"other {path}", team_id="red")
    if path.endswith("/count_tokens"):  # this provider counts nothing itself
        return
    assert hospital.gateway.post(path, key=other, model="cloud", **SURFACES[path]).status_code == 200
    assert hospital.cloud.requests != []
    hospital.cloud.requests.clear()


@pytest.mark.parametrize("path", [path for path in SURFACES if not path.endswith("/count_tokens")])
def test_the_row_says_that_the_project_kept_the_call(hospital: Hospital, path: str) -> None:
    answer = hospital.gateway.post(path, key=hospital.key, model="house", **SURFACES[path])
    assert answer.status_code == 200, answer.text
    id = answer.headers["x-litellm-call-id"]
    dsn, found = hospital.gateway.dsn, list[Any]()

    def arrived() -> bool:
        found[:] = asyncio.run(query(dsn, ROW, id))
        return bool(found)

    until(arrived, what="the row")
    metadata = msgspec.json.decode(found[0]["metadata"])
    assert (metadata["local_only"], found[0]["project_id"]) == ("project", "ward")


def test_explain_tells_that_the_project_keeps_the_call(hospital: Hospital) -> None:
    ask = {"messages": [{"role": "user", "content": TEXT}]}
    near = hospital.gateway.post("/route/explain", key=hospital.key, model="house", **ask).json()
    assert (near["stays_local"], near["refusal"]) == ("project", None)
    away = hospital.gateway.post("/route/explain", key=hospital.key, model="cloud", **ask).json()
    assert (away["refusal"]["status"], away["refusal"]["reason"]) == (403, "local_only")
    assert away["candidates"] == []
    assert [drop["why"] for drop in away["dropped"]] == ["not_local"]


def test_a_project_that_may_go_anywhere_again_does(hospital: Hospital) -> None:
    """A change of the project is in force for its keys; null in `metadata` lifts the rule too."""
    gateway = hospital.gateway
    assert gateway.post("/project/new", team_id="red", project_id="lab").status_code == 200
    key = gateway.virtual_key("lab", team_id="red", project_id="lab")
    path = "/v1/chat/completions"

    def status() -> int:
        return gateway.post(path, key=key, model="cloud", **SURFACES[path]).status_code

    assert status() == 200
    for local_only, expected in ((True, 403), (False, 200), (True, 403), (None, 200)):
        changed = gateway.post("/project/update", project_id="lab", local_only=local_only)
        assert changed.status_code == 200, changed.text
        until(lambda: status() == expected, what=f"{expected} under {local_only}")  # noqa: B023  (it is awaited here)
    hospital.cloud.requests.clear()
