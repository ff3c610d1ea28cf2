"""The functions of open pages: a stream within the caller's scope, and the calls in flight for who polls."""

import asyncio

from functions import live
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER, Access, Scope
from functions.ports.context import LiveContext
from runtime.ledger.spend_row import Attempt
from runtime.live.hub import LiveHub
from schema.live import LiveQuery
from tests.functions.contexts import ADMIN, make_call
from tests.runtime.live.test_hub import TARGET

ADA = Caller(role=INTERNAL_USER, key_hash="a" * 64, user_id="ada")
BOB = Caller(role=INTERNAL_USER, key_hash="b" * 64, user_id="bob")


def ctx(hub: LiveHub, by: Caller) -> LiveContext:
    scope = by.scope(Access.SPEND_READ)

    async def still() -> Scope:
        return scope

    return LiveContext(call=make_call(by, scope=scope, still=still), live=hub)


def test_a_stream_begins_with_the_calls_that_one_may_see_and_ends_with_its_page() -> None:
    async def scenario() -> None:
        under_way = {
            1: Attempt(
                call=make_call(ADA, request_id="of-ada"), target=TARGET, streamed=False, began_mono=0.0
            )
        }

        async def announce(payloads: object) -> None:
            return None

        hub = LiveHub(announce, under_way, lambda: 0.0)
        for caller, listed in ((ADA, 1), (BOB, 0), (ADMIN, 1)):
            stream = await live.events(LiveQuery(), ctx(hub, caller))
            first = await anext(stream.events())
            assert first.startswith(b"event: calls\n")
            assert first.count(b'"of-ada"') == listed
            told = await live.calls(LiveQuery(), ctx(hub, caller))
            assert [call.request_id for call in told.calls] == ["of-ada"] * listed
            stream.close()
        assert not hub.pages

    asyncio.run(scenario())
