"""One call with its bodies: admins may read them, and the user whose row it is."""

from typing import Any

import msgspec
import pytest

from functions import bodies, teams
from functions.contract.call import Caller
from functions.contract.roles import (
    DEVOPS,
    INTERNAL_USER,
    INTERNAL_USER_VIEWER,
    PROXY_ADMIN_VIEWER,
    SERVICE_KEY,
)
from schema.bodies import LogDetail
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.wire import to_json
from tests.functions.booked import book, fetch
from tests.functions.contexts import ADMIN
from tests.functions.governed import House, in_house
from tests.runtime.attempts import RECEIVED_AT, make_row

ASKED = '{"messages":[{"role":"user","content":"hi"}],"model":"gpt"}'
ANSWERED = '{"choices":[]}'


async def store(house: House, request_id: str, **more: object) -> None:
    facts = {"request": ASKED, "response": ANSWERED, "request_truncated": False, "response_truncated": False}
    month = RECEIVED_AT.replace(tzinfo=None)
    await fetch(
        house.database,
        """CREATE TABLE IF NOT EXISTS "Switchgear_Bodies_2026_03"
           PARTITION OF "Switchgear_Bodies" FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')""",
    )
    await fetch(
        house.database,
        """INSERT INTO "Switchgear_Bodies" (request_id, "startTime", request, response, request_truncated,
               response_truncated) VALUES ($1, $2, $3, $4, $5, $6)""",
        request_id,
        month,
        *(facts | more).values(),
    )


async def shown(house: House, by: Caller = ADMIN, request_id: str = "req-1", **query: str) -> Any:
    found = await house.call(bodies.show, {"request_id": request_id, **query}, by=by)
    assert isinstance(found, LogDetail)
    return msgspec.json.decode(to_json(found))


def test_the_row_comes_with_what_was_asked_and_answered(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, make_row("req-1"))
        await store(house, "req-1")
        found = await shown(house)
        assert (found["request_id"], found["startTime"], found["model"]) == (
            "req-1",
            "2026-03-14T15:09:26.535897Z",
            "gpt-4-0613",
        )
        assert found["messages"] == [{"role": "user", "content": "hi"}]
        assert found["proxy_server_request"] == msgspec.json.decode(ASKED)
        assert found["response"] == {"choices": []}
        assert (found["request_truncated"], found["response_truncated"]) == (False, False)

    in_house(postgres_dsn, scenario)


def test_a_call_is_shown_by_the_id_of_its_answer_and_a_rows_own_id_goes_first(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, make_row("req-1", response_id="chatcmpl-x"))
        await book(house.database, make_row("chatcmpl-y"), make_row("req-2", response_id="chatcmpl-y"))
        await store(house, "req-1")
        found = await shown(house, request_id="chatcmpl-x")
        assert (found["request_id"], found["response_id"]) == ("req-1", "chatcmpl-x")
        assert found["messages"] == [{"role": "user", "content": "hi"}]
        assert (await shown(house, request_id="chatcmpl-y"))["request_id"] == "chatcmpl-y"
        outsider = Caller(role=INTERNAL_USER, key_hash="e" * 64, user_id="eve")
        with pytest.raises(NotFound):
            await shown(house, outsider, request_id="chatcmpl-x")

    in_house(postgres_dsn, scenario)


def test_without_bodies_there_is_the_row_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, make_row("req-1"))
        found = await shown(house)
        assert (found["messages"], found["response"], found["proxy_server_request"]) == ({}, {}, {})
        with pytest.raises(NotFound):
            await shown(house, request_id="req-2")

    in_house(postgres_dsn, scenario)


def test_a_body_without_its_row_is_nobodys(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await store(house, "req-1")
        with pytest.raises(NotFound):
            await shown(house)

    in_house(postgres_dsn, scenario)


def test_what_was_cut_is_text_and_what_was_not_kept_is_said(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, make_row("req-1"), make_row("req-2"))
        await store(house, "req-1", request='{"messages":[{"ro', request_truncated=True)
        await store(house, "req-2", response=None, response_truncated=True)
        cut, left_out = await shown(house), await shown(house, request_id="req-2")
        assert (cut["proxy_server_request"], cut["messages"]) == ('{"messages":[{"ro', {})
        assert cut["request_truncated"] is True
        assert (left_out["response"], left_out["response_truncated"]) == ({}, True)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("by", "sees"),
    [
        (ADMIN, "body"),
        (Caller(role=PROXY_ADMIN_VIEWER, key_hash="v" * 64, user_id="vic"), "body"),
        (Caller(role=INTERNAL_USER, key_hash="b" * 64, user_id="alice"), "body"),
        (Caller(role=INTERNAL_USER_VIEWER, key_hash="b" * 64, user_id="alice"), "body"),
        (Caller(role=SERVICE_KEY, key_hash="a" * 64), "body"),
        (Caller(role=DEVOPS, key_hash="d" * 64, user_id="ops"), "row"),
        (Caller(role=INTERNAL_USER, key_hash="t" * 64, user_id="tom", teams={"red": "admin"}), "row"),
        (
            Caller(role=INTERNAL_USER, key_hash="o" * 64, user_id="oda", organizations={"acme": "org_admin"}),
            "row",
        ),
        (Caller(role=INTERNAL_USER, key_hash="m" * 64, user_id="mia", teams={"red": "user"}), "nothing"),
        (Caller(role=SERVICE_KEY, key_hash="s" * 64, team_id="red"), "nothing"),
    ],
)
def test_who_sees_the_row_is_not_who_reads_the_prompt(postgres_dsn: str, by: Caller, sees: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, make_row("req-1", organization_id="acme"))
        await store(house, "req-1")
        if sees == "nothing":
            with pytest.raises(NotFound):
                await shown(house, by)
            return
        found = await shown(house, by)
        assert (found["messages"] != {}, found["response"] != {}) == ((sees == "body",) * 2)

    in_house(postgres_dsn, scenario)


def test_dates_say_where_to_look(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, make_row("req-1"))
        assert (await shown(house, start_date="2026-03-14 00:00:00"))["request_id"] == "req-1"
        with pytest.raises(NotFound):
            await shown(house, start_date="2026-03-15")
        with pytest.raises(InvalidRequest) as refused:
            await shown(house, start_date="soon")
        assert refused.value.param == "start_date"

    in_house(postgres_dsn, scenario)


def test_only_who_is_above_a_team_switches_its_bodies_on(postgres_dsn: str) -> None:
    lead = Caller(role=INTERNAL_USER, key_hash="t" * 64, user_id="tom", teams={"red": "admin"})

    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red", "store_prompts_in_spend_logs": True})
        record = await house.call(teams.update, {"team_id": "red", "team_alias": "Red"}, by=lead)
        assert bytes(record.data.metadata["store_prompts_in_spend_logs"]) == b"true"
        for body in (
            {"store_prompts_in_spend_logs": False},
            {"metadata": {"store_prompts_in_spend_logs": 0}},
        ):
            with pytest.raises((NotAllowed, InvalidRequest)):
                await house.call(teams.update, {"team_id": "red", **body}, by=lead)
        with pytest.raises(InvalidRequest) as refused:
            await house.call(teams.update, {"team_id": "red", "store_prompts_in_spend_logs": "yes"})
        assert refused.value.param == "store_prompts_in_spend_logs"

    in_house(postgres_dsn, scenario)
