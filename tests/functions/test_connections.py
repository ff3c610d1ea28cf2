"""A deployment is called once before it is stored."""

from typing import Any

import pytest

from functions import connections
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from schema.connections import ConnectionTested
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import UpstreamUnreachable
from schema.ledger.rows import Outcome
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.ports import NoContexts
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.governed import House, in_house
from tests.functions.registered import KEY, registered

PARAMS = {"model": "openai/gpt-4o", "api_key": KEY, "api_base": "https://api.there.test/v1"}
OK = Answer(body=answers.openai_chat("gpt-4o"))
BAD_KEY = Answer(
    status=401, body=b'{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}'
)


class Scene:
    """A house with a provider."""

    def __init__(self, house: House, *script: Any) -> None:
        self.house = house
        self.upstream, self.ledger = FakeUpstream(*script), FakeLedger()
        self.registry = registered(house)
        house.give(upstream=self.upstream, ledger=self.ledger, contexts=NoContexts())

    async def test(self, params: dict[str, Any], **more: Any) -> ConnectionTested:
        return await self.house.call(connections.test_connection, {"litellm_params": params, **more})


def test_a_deployment_that_works_answers_and_is_booked_and_not_stored(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        scene = Scene(house, OK)
        told = await scene.test(PARAMS)
        assert (told.status, told.result.model) == ("success", "openai/gpt-4o")
        assert told.result.answer
        (sent,) = scene.upstream.requests
        assert sent.url == "https://api.there.test/v1/chat/completions"
        (row,) = scene.ledger.rows
        assert row.outcome is Outcome.OK
        assert row.cost_nano > 0
        assert "gpt-4o" not in scene.registry.models.registry.names
        assert (await scene.registry.editor.read()).models == ()

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (BAD_KEY, "key"),
        (UpstreamUnreachable("No connection to api.there.test."), "address"),
        (Answer(body=b"<html>"), "answer"),
        (Answer(status=404, body=b"<html>Not Found"), "address"),
    ],
)
def test_what_is_wrong_is_said_in_words(postgres_dsn: str, answer: Any, fault: str) -> None:
    async def scenario(house: House) -> None:
        told = await Scene(house, answer).test(PARAMS)
        assert (told.status, told.result.fault) == ("error", fault)
        assert told.result.advice
        assert KEY not in f"{told}"

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"model": "groq/llama-3.1-8b-instant"}, "GROQ_API_KEY"),
        ({"model": "nonsense"}, "model"),
        ({**PARAMS, "model": "openai/*"}, "pattern"),
    ],
)
def test_a_deployment_that_can_not_be_built_is_told_without_a_call(
    postgres_dsn: str, params: dict[str, str], words: str
) -> None:
    async def scenario(house: House) -> None:
        scene = Scene(house, OK)
        told = await scene.test(params)
        assert (told.status, told.result.fault) == ("error", "config")
        assert words in (told.result.error or "")
        assert scene.upstream.requests == []

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "params",
    [
        {**PARAMS, "api_base": "http://169.254.169.254/latest"},
        {**PARAMS, "api_key": "os.environ/SWITCHGEAR_MASTER_KEY"},
        {**PARAMS, "ssl_verify": "/etc/passwd"},
        {"model": "vertex_ai/gemini-2.5-flash", "vertex_credentials": "/etc/passwd"},
    ],
)
def test_what_may_not_be_stored_is_not_tried_either(postgres_dsn: str, params: dict[str, Any]) -> None:
    async def scenario(house: House) -> None:
        scene = Scene(house, OK)
        with pytest.raises(InvalidRequest):
            await scene.test(params)
        assert scene.upstream.requests == []

    in_house(postgres_dsn, scenario)


def test_a_vector_is_asked_for_by_the_mode(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        scene = Scene(house, Answer(body=answers.openai_embeddings("e")))
        params = {**PARAMS, "model": "openai/text-embedding-3-small"}
        assert (await scene.test(params, mode="embedding")).status == "success"
        assert (await scene.test(params, model_info={"mode": "embedding"})).status == "success"
        with pytest.raises(InvalidRequest, match="image_generation"):
            await scene.test(params, mode="image_generation")

    in_house(postgres_dsn, scenario)


def test_nobody_else_may(postgres_dsn: str) -> None:
    """The matrix has every role; here the team's admin, who may store models of the team."""
    lead = Caller(role=INTERNAL_USER, key_hash="e" * 8, user_id="lead", teams={"red": "admin"})
    assert lead.scope(connections.test_connection.manifest.access).reaches == frozenset()  # type: ignore[attr-defined]
