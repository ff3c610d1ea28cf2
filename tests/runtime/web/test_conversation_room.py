"""Stored conversations count among the bodies that a worker holds."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.contract.policy import Policy
from functions.responses import input_items, responses, retrieve
from runtime.intake.body_room import BodyRoom
from tests.fakes.ports import NoContexts
from tests.fakes.state import FakeState
from tests.runtime.in_process import ROOM, Client, House, body_of, handle, scope_of


class OneConversation(FakeState):
    """Everybody's stored conversation, of so many bytes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.value = b'{"response":{"id":"resp_1","output":[]},"input":[]}'.ljust(size)

    async def get(self, kind: str, owner: str, id: str) -> bytes | None:
        return self.value


class Taken(BodyRoom):
    """What was taken of the room, as long as it was not given back."""

    def __init__(self) -> None:
        super().__init__(ROOM)
        self.most_bytes = 0

    def take(self, size: int) -> None:
        super().take(size)
        self.most_bytes = max(self.most_bytes, self.held_bytes)


def asked(house: House, fn: Callable[..., Any]) -> Client:
    if fn is responses:
        body = {"model": "gpt", "input": "Hi", "previous_response_id": "resp_1"}
        return handle(house.route(fn), body_of(json.dumps(body).encode()))
    scope = scope_of(method="GET")
    scope["path_params"] = {"response_id": "resp_1"}
    return handle(house.route(fn), body_of(b""), scope=scope)


@pytest.mark.parametrize(("size", "status"), [(5000, 200), (ROOM + 1, 503)])
@pytest.mark.parametrize("fn", [responses, retrieve, input_items])
def test_a_conversation_takes_room_until_its_call_is_over(
    fn: Callable[..., Any], size: int, status: int
) -> None:
    house = House()
    house.room = Taken()
    house.give(state=OneConversation(size), contexts=NoContexts(), policy=Policy())
    assert asked(house, fn).status == status
    assert house.room.most_bytes >= size or status == 503
    assert house.room.held_bytes == 0
