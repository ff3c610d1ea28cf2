"""What the ledger's attempts tell the fleet, and what is counted of it."""

import asyncio
import time
from typing import Any

import pytest

from functions.chat import chat
from models_registry.routing.fleet import DeploymentId, Fleet, id_of
from models_registry.target import Target
from runtime.blueprint import check
from runtime.ledger.attempts import BookedLedger
from runtime.telemetry.tally import Tally, TallyCounts
from runtime.upstream.router import Router
from runtime.upstream.watch import Watch
from schema.chat import ChatRequest, Message
from schema.errors.base import GatewayError
from schema.errors.upstream import UpstreamBusy, UpstreamNotInTime, UpstreamTimeout
from schema.route_options import RouteOptions
from tests.fakes import answers
from tests.fakes.cache import local_cache
from tests.fakes.ledger import ListSink, NoLimits
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx

GOOD = Answer(body=answers.openai_chat())
TOO_MANY = Answer(status=429)


class Scene:
    """Calls to the model `m`, whose deployments are one or two."""

    def __init__(self, deployments: int, *script: Any, **facts: Any) -> None:
        entries = [
            {
                "model_name": "m",
                "litellm_params": {"model": f"openai/{n}", "api_base": "http://p.test", "api_key": "none"},
                "model_info": {"id": str(n)},
            }
            for n in range(deployments)
        ]
        checked = check({"model_list": entries, "router_settings": {"num_retries": 0}}, {})
        assert checked.errors == ()
        self.targets = checked.registry.everything()
        self.fleet = Fleet()
        self.changed: list[DeploymentId] = []
        self.tally = Tally(["m"])
        watch = Watch(self.fleet, self.changed.append)
        ledger = BookedLedger(ListSink(), NoLimits(), tally=self.tally, watch=watch)
        ctx = model_ctx(FakeUpstream(*script), **facts)
        router = Router(checked.registry, checked.routing, fleet=self.fleet)
        fields = {name: getattr(ctx, name) for name in ctx.__struct_fields__}
        self.ctx = type(ctx)(**{**fields, "ledger": ledger, "routes": router})

    def call(self, *, stream: bool = False) -> bool:
        request = ChatRequest(model="m", messages=[Message(role="user", content="Hi")], stream=stream or None)

        async def run() -> bool:
            try:
                answer = await chat(request, self.ctx)
            except GatewayError:
                return False
            if stream:
                async for _ in answer.events():  # type: ignore[union-attr]  # a stream was asked for
                    pass
            return True

        return asyncio.run(run())

    def standing(self, target: Target) -> Any:
        return self.fleet.find(target)


def test_a_model_with_one_deployment_costs_no_look_while_nothing_is_wrong() -> None:
    scene = Scene(1, GOOD)
    assert scene.call()
    assert list(scene.fleet.items()) == []


def test_an_answer_of_one_of_several_is_seen_with_its_time_and_tokens() -> None:
    scene = Scene(2, GOOD)
    assert scene.call()
    (standing,) = [found for target in scene.targets if (found := scene.standing(target)) is not None]
    assert standing.in_flight == 0
    assert standing.token.at > 0
    assert standing.tokens > 0


def test_a_stream_is_seen_with_the_time_to_its_first_event() -> None:
    scene = Scene(2, Answer(chunks=answers.openai_stream()))
    assert scene.call(stream=True)
    (standing,) = [found for target in scene.targets if (found := scene.standing(target)) is not None]
    assert standing.first.at > 0
    assert standing.token.at == 0


def test_an_answer_of_the_response_cache_says_nothing_about_a_deployment() -> None:
    scene = Scene(2, GOOD, cache=local_cache())
    assert scene.call()
    places = [target for target in scene.targets if scene.standing(target) is not None]
    before = [(each.token.at, each.tokens, each.in_flight) for each in map(scene.standing, places)]
    for _ in range(3):
        assert scene.call()
    after = [(each.token.at, each.tokens, each.in_flight) for each in map(scene.standing, places)]
    assert after == before
    assert sum(each.number for each in scene.tally.counted().attempts) == 1


def test_a_refusal_begins_a_cooldown_that_is_told_and_counted() -> None:
    scene = Scene(2, TOO_MANY)
    assert not scene.call()
    assert len(scene.changed) == 1
    assert [(each.model, each.provider, each.number) for each in scene.tally.counted().cooldowns] == [
        ("m", "openai", 1)
    ]
    both = TallyCounts().merged([scene.tally.counted(), scene.tally.counted()])
    assert both.cooldowns[0].number == 2


@pytest.mark.parametrize(("asked_s", "counted"), [(0.5, False), (None, True)])
@pytest.mark.parametrize("kind", [UpstreamTimeout, UpstreamNotInTime])
def test_a_deadline_that_the_call_asked_for_says_nothing(
    kind: type[GatewayError], asked_s: float | None, counted: bool
) -> None:
    scene = Scene(1, kind("slow"), route_options=RouteOptions(timeout_s=asked_s))
    assert not scene.call()
    standing = scene.standing(scene.targets[0])
    assert bool(standing and standing.record.in_a_row) is counted


def test_connections_of_ours_that_are_all_in_use_say_nothing() -> None:
    scene = Scene(2, UpstreamBusy("All connections are in use."))
    assert not any(scene.call() for _ in range(10))
    assert scene.changed == []


def test_a_stream_that_begins_ends_a_cooldown_whose_time_is_over() -> None:
    scene = Scene(2, Answer(chunks=answers.openai_stream()))
    now = time.monotonic()
    for target in scene.targets:
        scene.fleet.heard(id_of(target), now - 10, left_s=5.0, level=2, why="timeout")
    watch = Watch(scene.fleet, scene.changed.append)
    watch.stream_began(scene.targets[0])
    assert scene.changed == [("0", "0")]
    assert scene.standing(scene.targets[0]).record.level == 0
    watch.stream_began(scene.targets[0])
    assert len(scene.changed) == 1
    assert scene.call(stream=True)
    assert len(scene.changed) <= 2


def test_a_lone_deployment_that_failed_is_well_again_after_an_answer() -> None:
    scene = Scene(1, TOO_MANY, TOO_MANY, GOOD)
    assert [scene.call(), scene.call(), scene.call()] == [False, False, True]
    assert scene.standing(scene.targets[0]).record.in_a_row == 0
    assert scene.changed == []
    assert id_of(scene.targets[0]) == ("0", "0")
