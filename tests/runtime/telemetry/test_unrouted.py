"""Model calls that reach no deployment are counted, and no name that a caller chose is a label."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from functions.chat import chat
from functions.embeddings import embeddings
from runtime.catalog import route_of
from runtime.identity.authenticator import Authenticator
from runtime.invoke import Incoming
from runtime.telemetry.exposition import Exposition
from runtime.telemetry.snapshots import Snapshots
from runtime.telemetry.tally import Tally, TallyCounts, Unrouted
from runtime.telemetry.unrouted import UnroutedReason, reason_of
from schema.errors.base import GatewayError
from schema.errors.callers import ModelNotAllowed, NotAllowed
from schema.errors.limits import BudgetExceeded
from schema.errors.models import ModelInError, ModelNotFound
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from schema.secret import Secret
from tests.fakes import answers
from tests.fakes.authority import FakeFinder, Silence
from tests.fakes.upstream import Answer, FakeUpstream
from tests.runtime.identity.test_authenticator import KEY, record_of
from tests.runtime.in_process import House

CHOSEN = "a-name-that-a-caller-chose"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelNotFound("m"), UnroutedReason.UNKNOWN),
        (ModelNotFound("m", param="fallbacks"), UnroutedReason.UNKNOWN),
        (ModelNotAllowed("m", param="model"), UnroutedReason.NOT_ALLOWED),
        (ModelInError("m"), UnroutedReason.IN_ERROR),
        (UnsupportedParameter("m", param="model"), UnroutedReason.UNSUPPORTED),
        (UnsupportedParameter("m", param="tools"), None),
        (InvalidRequest("m", param="model"), None),
        (NotFound("m"), None),
        (NotAllowed("m"), None),
        (BudgetExceeded("m"), None),
    ],
)
def test_what_is_wrong_with_the_model_is_the_reason(
    error: GatewayError, reason: UnroutedReason | None
) -> None:
    assert reason_of(error) is reason


def counted(*calls: tuple[str, dict[str, object]], models: tuple[str, ...] = ()) -> list[Unrouted]:
    """What a gateway counts of calls of a key: `chat` or `embeddings`, each with its body."""
    house = House(FakeUpstream(Answer(body=answers.openai_chat())))
    keys = FakeFinder(record_of(user_id="ada", models=list(models)))
    authenticator = Authenticator(Secret("sk-master"), keys, Silence())
    house.gateway = msgspec.structs.replace(house.gateway, authenticator=authenticator)
    functions: dict[str, Callable[..., Any]] = {"chat": chat, "embeddings": embeddings}

    async def run() -> None:
        for name, body in calls:

            async def read_body(body: dict[str, object] = body) -> bytes:
                return msgspec.json.encode(body)

            incoming = Incoming(headers={"authorization": f"Bearer {KEY}"}, read_body=read_body)
            (await house.endpoint(functions[name]).invoke(incoming)).done()

    asyncio.run(run())
    return house.gateway.tally.counted().unrouted


def asking(model: str, **more: object) -> tuple[str, dict[str, object]]:
    return "chat", {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}


def test_a_call_to_a_name_that_nobody_configured_is_counted_without_the_name() -> None:
    embedding: dict[str, object] = {"model": CHOSEN, "input": "hi"}
    found = counted(asking(CHOSEN), asking(""), asking("gpt", fallbacks=[CHOSEN]), ("embeddings", embedding))
    assert [(each.function, each.reason, each.number) for each in found] == [
        ("chat", UnroutedReason.UNKNOWN, 3),
        ("embeddings", UnroutedReason.UNKNOWN, 1),
    ]
    assert CHOSEN not in str(found)


def test_a_call_to_a_model_that_is_not_for_the_key_or_not_for_such_calls_is_counted() -> None:
    embedding: dict[str, object] = {"model": "claude", "input": "hi"}
    found = counted(asking("gpt"), ("embeddings", embedding), models=("claude",))
    assert [(each.function, each.reason) for each in found] == [
        ("chat", UnroutedReason.NOT_ALLOWED),
        ("embeddings", UnroutedReason.UNSUPPORTED),
    ]


def test_a_call_that_was_attempted_or_is_no_call_at_all_is_not_counted() -> None:
    malformed: dict[str, object] = {"model": "gpt", "messages": 5}
    assert counted(asking("gpt"), asking("gpt", max_tokens=-1), ("chat", malformed)) == []


def test_unrouted_calls_stand_in_the_text_and_add_up_over_workers(tmp_path: Path) -> None:
    tally = Tally(["gpt"])
    for _ in range(2):
        tally.unrouted("chat", UnroutedReason.UNKNOWN)
    tally.unrouted("embeddings", UnroutedReason.IN_ERROR)
    snapshots = Snapshots(tmp_path, tally)
    snapshots.write()
    text = asyncio.run(Exposition(snapshots, route_of).text()).content
    assert 'switchgear_unrouted_total{function="chat",reason="unknown"} 2.0' in text
    assert 'switchgear_unrouted_total{function="embeddings",reason="in_error"} 1.0' in text
    both = tally.counted().merged([tally.counted()])
    assert [each.number for each in both.unrouted] == [4, 2]
    assert [each.number for each in tally.counted().unrouted] == [2, 1]


def test_counts_of_a_version_that_did_not_count_them_are_read() -> None:
    older = {"requests": [], "attempts": [], "holds_exceeded": 3}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(older), type=TallyCounts).unrouted == []
