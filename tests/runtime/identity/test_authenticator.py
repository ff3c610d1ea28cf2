"""Who is calling: where a key may stand, and how long an answer about it holds."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest

from functions.contract.call import MASTER_KEY_HASH, Caller
from functions.contract.roles import INTERNAL_USER, PROXY_ADMIN
from runtime.identity.authenticator import MAX_CACHED, MAX_STRANGERS, MAX_WAITING, Authenticator, credential
from runtime.identity.authority import Authority
from runtime.postgres.freshness import DEAF_S, STALE_S
from runtime.postgres.look_ups import AWAY_S, TIMEOUT_S
from schema.errors.base import GatewayError
from schema.errors.callers import BlockedKey, ExpiredKey, NotAuthenticated, UnknownKey
from schema.errors.overload import DatabaseUnavailable, Overloaded
from schema.errors.requests import InvalidRequest
from schema.keys import KeyRecord
from schema.models import AllowedModels
from schema.secret import Secret, key_hash_of
from tests.fakes.authority import Silence, authority_for

MASTER = "sk-master-key-of-these-tests"
KEY = "sk-a-virtual-key-0123456789"
OTHER = "sk-another-key-0123456789"


def record_of(key: str = KEY, **more: object) -> KeyRecord:
    facts: dict[str, object] = {
        "token": key_hash_of(key),
        "key_name": f"sk-...{key[-4:]}",
        "created_at": datetime.now(UTC),
        "created_by": "",
    }
    return KeyRecord(**(facts | more))  # type: ignore[arg-type]


class Keys:
    """A finder whose look-ups are counted, can be held up, and can find no database."""

    def __init__(self, *records: KeyRecord) -> None:
        self.records = {record.token: record for record in records}
        self.asked: list[str] = []
        self.away = False
        self.stubborn = False
        """It does not end when it is cancelled, as a driver that waits for a server that hangs."""
        self.gate = asyncio.Event()
        self.gate.set()

    async def find(self, key_hash: str) -> Authority | None:
        self.asked.append(key_hash)
        found = self.records.get(key_hash)
        await asyncio.sleep(0)
        while not self.gate.is_set():
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
        if self.away:
            raise DatabaseUnavailable("The database can't be reached.")
        return None if found is None else authority_for(found)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class HearingClock(Clock):
    """A clock by which every announcement has just arrived."""

    @property
    def heard_mono(self) -> float:
        return self.now


def bearer(key: str = KEY) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"authorization": f"Bearer  {KEY} "},
        {"x-api-key": KEY},
        {"api-key": KEY},
        {"x-goog-api-key": KEY},
        {"x-api-key": KEY, "authorization": f"Bearer {KEY}"},
        {"x-litellm-api-key": KEY},
        {"x-litellm-api-key": f"Bearer {KEY}"},
        {"x-litellm-api-key": KEY, "authorization": f"Bearer {OTHER}", "x-api-key": "sk-ant-theirs"},
        {"authorization": f"Bearer {KEY}", "cookie": f"key={OTHER}"},
        {"authorization": "Basic c2stOnNr", "x-api-key": KEY},
        {"authorization": "Basic not-base64", "x-api-key": KEY},
        {"ocp-apim-subscription-key": KEY},
        {"authorization": basic("ada", KEY)},
        {"authorization": basic("", KEY).replace("Basic", "basic")},
        {"authorization": basic("ada", KEY), "ocp-apim-subscription-key": KEY},
        {"authorization": basic("ada", "a proxy's own"), "ocp-apim-subscription-key": KEY},
        {"authorization": basic("ada", OTHER), "x-litellm-api-key": KEY},
    ],
)
def test_a_key_is_found_where_any_sdk_puts_it(headers: dict[str, str]) -> None:
    assert credential(headers) == KEY


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "No api key passed in"),
        ({"cookie": f"key={KEY}"}, "No api key passed in"),
        ({"authorization": KEY}, "No api key passed in"),
        ({"authorization": "Bearer"}, "No api key passed in"),
        ({"authorization": "Bearer "}, "No api key passed in"),
        ({"authorization": f"Basic {KEY}"}, "malformed"),
        ({"authorization": basic(KEY, "")}, "malformed"),
        ({"authorization": basic("ada", "secret")}, "malformed"),
        ({"authorization": "Basic"}, "malformed"),
        ({"authorization": "Basic /w=="}, "malformed"),
        ({"ocp-apim-subscription-key": "0123456789abcdef0123456789abcdef"}, "malformed"),
        ({"authorization": "Bearer pk-not-one-of-ours"}, "malformed"),
        ({"authorization": "Bearer sk-"}, "malformed"),
        ({"authorization": f"Bearer sk-{'x' * 600}"}, "malformed"),
        ({"authorization": "Bearer sk-sch\u00f6n-und-lang"}, "malformed"),
        ({"x-api-key": ""}, "malformed"),
        ({"x-litellm-api-key": "", "authorization": f"Bearer {KEY}"}, "malformed"),
    ],
)
def test_a_request_without_a_well_formed_key_is_401(headers: dict[str, str], says: str) -> None:
    with pytest.raises(NotAuthenticated, match=says) as caught:
        credential(headers)
    assert caught.value.message.startswith("Authentication Error,")
    assert KEY not in caught.value.message


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}", "x-api-key": OTHER},
        {"api-key": KEY, "x-goog-api-key": OTHER},
        {"authorization": basic("ada", KEY), "api-key": OTHER},
        {"authorization": f"Bearer {KEY}", "ocp-apim-subscription-key": OTHER},
    ],
)
def test_two_different_keys_are_400(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="Two different"):
        credential(headers)


def test_the_master_key_is_the_admin_and_never_looked_up() -> None:
    async def run() -> tuple[Caller, list[str]]:
        keys = Keys()
        return await Authenticator(Secret(MASTER), keys, Silence()).caller(bearer(MASTER)), keys.asked

    caller, asked = asyncio.run(run())
    assert (caller.role, caller.key_hash, caller.is_admin) == (PROXY_ADMIN, MASTER_KEY_HASH, True)
    assert (caller.is_master, caller.has_masters_name) == (True, False)
    assert asked == []


def test_a_virtual_key_is_its_owner() -> None:
    async def run() -> Caller:
        record = record_of(key_alias="laptop", user_id="ada", team_id="engines", models=["gpt"])
        return await Authenticator(Secret(MASTER), Keys(record), Silence()).caller(bearer())

    assert asyncio.run(run()) == Caller(
        role=INTERNAL_USER,
        key_hash=key_hash_of(KEY),
        key_alias="laptop",
        user_id="ada",
        team_id="engines",
        models=(AllowedModels("key", ("gpt",)),),
    )


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (None, UnknownKey),
        (record_of(blocked=True), BlockedKey),
        (record_of(expires=datetime.now(UTC) - timedelta(seconds=1)), ExpiredKey),
    ],
)
def test_a_key_that_does_not_hold_is_refused(record: KeyRecord | None, error: type[GatewayError]) -> None:
    async def run() -> None:
        keys = Keys() if record is None else Keys(record)
        authenticator = Authenticator(Secret(MASTER), keys, Silence())
        for _ in range(2):
            with pytest.raises(error):
                await authenticator.caller(bearer())
        assert len(keys.asked) == 1, "the refusal is cached briefly as well"

    asyncio.run(run())


def test_a_cached_key_ends_with_its_expiry_and_not_with_the_cache() -> None:
    async def run() -> None:
        record = record_of(expires=datetime.now(UTC) + timedelta(seconds=0.05))
        keys = Keys(record)
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), Clock())
        await authenticator.caller(bearer())
        await asyncio.sleep(0.06)
        with pytest.raises(ExpiredKey):
            await authenticator.caller(bearer())
        assert len(keys.asked) == 1

    asyncio.run(run())


def test_an_answer_is_asked_for_again_when_it_is_no_longer_fresh() -> None:
    async def run() -> None:
        keys, clock = Keys(record_of()), Clock()
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), clock)
        await authenticator.caller(bearer())
        clock.now += DEAF_S
        await authenticator.caller(bearer())
        assert len(keys.asked) == 1
        clock.now += 0.1
        keys.records.clear()
        with pytest.raises(UnknownKey):
            await authenticator.caller(bearer())
        assert len(keys.asked) == 2

    asyncio.run(run())


def test_while_one_call_asks_again_the_others_go_by_the_old_answer() -> None:
    async def run() -> None:
        keys, clock = Keys(record_of()), Clock()
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), clock)
        await authenticator.caller(bearer())
        clock.now += DEAF_S + 1
        keys.gate.clear()
        slow = asyncio.create_task(authenticator.caller(bearer()))
        await asyncio.sleep(0)
        assert (await authenticator.caller(bearer())).key_hash == key_hash_of(KEY)
        assert not slow.done()
        keys.gate.set()
        await slow
        assert len(keys.asked) == 2

    asyncio.run(run())


def test_a_known_key_goes_on_while_the_database_is_away_but_not_for_ever() -> None:
    async def run() -> None:
        keys, clock = Keys(record_of()), Clock()
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), clock)
        await authenticator.caller(bearer())
        keys.away = True
        clock.now += STALE_S - 1
        assert (await authenticator.caller(bearer())).key_hash == key_hash_of(KEY)
        with pytest.raises(DatabaseUnavailable):
            await authenticator.caller(bearer(OTHER))
        clock.now += DEAF_S + 1
        with pytest.raises(DatabaseUnavailable):
            await authenticator.caller(bearer())

    asyncio.run(run())


def test_a_refused_key_does_not_come_to_life_while_the_database_is_away() -> None:
    async def run() -> None:
        keys, clock = Keys(record_of(blocked=True)), Clock()
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), clock)
        with pytest.raises(BlockedKey):
            await authenticator.caller(bearer())
        keys.away = True
        clock.now += DEAF_S + 1
        with pytest.raises(DatabaseUnavailable):
            await authenticator.caller(bearer())

    asyncio.run(run())


def test_a_forgotten_key_is_asked_for_at_once() -> None:
    async def run() -> None:
        keys = Keys(record_of())
        authenticator = Authenticator(Secret(MASTER), keys, Silence())
        await authenticator.caller(bearer())
        keys.records.clear()
        authenticator.forget(f"key:{key_hash_of(KEY)}")
        with pytest.raises(UnknownKey):
            await authenticator.caller(bearer())

    asyncio.run(run())


def test_what_was_read_before_a_change_is_not_kept_after_it() -> None:
    async def run() -> None:
        keys = Keys(record_of())
        authenticator = Authenticator(Secret(MASTER), keys, Silence())
        keys.gate.clear()
        early = asyncio.create_task(authenticator.caller(bearer()))
        await asyncio.sleep(0)
        assert keys.asked
        keys.records.clear()
        authenticator.forget(f"key:{key_hash_of(KEY)}")
        keys.gate.set()
        await early
        with pytest.raises(UnknownKey):
            await authenticator.caller(bearer())

    asyncio.run(run())


def test_a_thousand_calls_with_a_new_key_are_one_look_up() -> None:
    async def run() -> None:
        keys = Keys(record_of())
        authenticator = Authenticator(Secret(MASTER), keys, Silence())
        callers = await asyncio.gather(*(authenticator.caller(bearer()) for _ in range(1000)))
        assert {caller.key_hash for caller in callers} == {key_hash_of(KEY)}
        assert len(keys.asked) == 1

    asyncio.run(run())


def test_a_stranger_with_many_keys_is_bounded_and_holds_up_no_known_key() -> None:
    async def run() -> None:
        keys, clock = Keys(record_of()), Clock()
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), clock)
        await authenticator.caller(bearer())
        keys.gate.clear()
        flood = [
            asyncio.create_task(authenticator.caller(bearer(f"sk-stranger-{number}")))
            for number in range(MAX_WAITING)
        ]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            with pytest.raises(Overloaded):
                await authenticator.caller(bearer("sk-stranger-more"))
        assert (await authenticator.caller(bearer())).key_hash == key_hash_of(KEY)
        clock.now += DEAF_S + 1
        known = asyncio.create_task(authenticator.caller(bearer()))
        await asyncio.sleep(0)
        assert not known.done(), "it waits for its turn and is not refused"
        keys.gate.set()
        assert (await known).key_hash == key_hash_of(KEY)
        outcomes = await asyncio.gather(*flood, return_exceptions=True)
        assert all(isinstance(outcome, UnknownKey) for outcome in outcomes)
        with pytest.raises(UnknownKey):
            await authenticator.caller(bearer("sk-stranger-more"))

    asyncio.run(run())


def test_the_cache_is_bounded() -> None:
    async def run() -> None:
        records = [record_of(token=key_hash_of(f"sk-known-{number}")) for number in range(MAX_CACHED + 1)]
        keys = Keys(*records)
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), Clock())
        for number in range(MAX_CACHED + 1):
            await authenticator.caller(bearer(f"sk-known-{number}"))
        asked = len(keys.asked)
        await authenticator.caller(bearer("sk-known-0"))
        assert len(keys.asked) == asked + 1, "the oldest answer went"

    asyncio.run(run())


def test_strangers_push_no_known_key_out_and_it_is_served_while_postgres_is_away() -> None:
    async def run() -> None:
        keys, clock = Keys(record_of()), Clock()
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), clock)
        await authenticator.caller(bearer())
        for number in range(10_400):
            with pytest.raises(UnknownKey):
                await authenticator.caller(bearer(f"sk-stranger-{number}"))
        keys.away = True
        clock.now += DEAF_S + 1
        assert (await authenticator.caller(bearer())).key_hash == key_hash_of(KEY)
        assert len(authenticator._cache._strangers) <= MAX_STRANGERS

    asyncio.run(run())


def test_a_stranger_that_becomes_a_key_is_let_in_when_that_is_announced() -> None:
    async def run() -> None:
        keys = Keys()
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), Clock())
        for _ in range(2):
            with pytest.raises(UnknownKey):
                await authenticator.caller(bearer())
        assert len(keys.asked) == 1
        keys.records[key_hash_of(KEY)] = record_of()
        authenticator.forget(f"key:{key_hash_of(KEY)}")
        assert (await authenticator.caller(bearer())).key_hash == key_hash_of(KEY)
        del keys.records[key_hash_of(KEY)]
        authenticator.forget("all")
        with pytest.raises(UnknownKey):
            await authenticator.caller(bearer())

    asyncio.run(run())


@pytest.mark.parametrize("calls", [1, 8])
def test_a_look_up_that_takes_long_is_left_and_the_call_goes_by_what_was_last_read(calls: int) -> None:
    async def run() -> None:
        keys, clock = Keys(record_of()), Clock()
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), clock)
        await authenticator.caller(bearer())
        clock.now += DEAF_S + 1
        keys.gate.clear()
        keys.stubborn = True
        async with asyncio.timeout(TIMEOUT_S + 0.2):
            found = await asyncio.gather(*(authenticator.caller(bearer()) for _ in range(calls)))
        assert {caller.key_hash for caller in found} == {key_hash_of(KEY)}
        clock.now += DEAF_S + 1
        async with asyncio.timeout(0.2):
            await authenticator.caller(bearer())
        assert len(keys.asked) == 2, "one look-up was left; nobody asks again at once"
        keys.gate.set()

    asyncio.run(run())


def test_missed_announcements_make_each_known_key_be_read_again_and_lock_none_out() -> None:
    """Postgres came back for a moment, and hangs again."""

    async def run() -> None:
        keys, clock = Keys(record_of()), HearingClock()
        authenticator = Authenticator(Secret(MASTER), keys, clock, clock)
        await authenticator.caller(bearer())
        await authenticator.caller(bearer())
        assert len(keys.asked) == 1
        authenticator.doubt()
        keys.away = True
        assert (await authenticator.caller(bearer())).key_hash == key_hash_of(KEY)
        assert len(keys.asked) == 2
        keys.away = False
        del keys.records[key_hash_of(KEY)]
        clock.now += AWAY_S + 0.1
        with pytest.raises(UnknownKey):
            await authenticator.caller(bearer())

    asyncio.run(run())


def test_a_key_that_was_blocked_while_announcements_were_missed_is_refused_at_its_next_call() -> None:
    async def run() -> None:
        keys, clock = Keys(record_of()), HearingClock()
        authenticator = Authenticator(Secret(MASTER), keys, clock, clock)
        await authenticator.caller(bearer())
        del keys.records[key_hash_of(KEY)]
        authenticator.doubt()
        with pytest.raises(UnknownKey):
            await authenticator.caller(bearer())

    asyncio.run(run())


def test_a_cancelled_look_up_leaves_the_next_one_free() -> None:
    async def run() -> None:
        keys = Keys(record_of())
        authenticator = Authenticator(Secret(MASTER), keys, Silence())
        keys.gate.clear()
        first = asyncio.create_task(authenticator.caller(bearer()))
        second = asyncio.create_task(authenticator.caller(bearer()))
        await asyncio.sleep(0)
        first.cancel()
        keys.gate.set()
        assert (await second).key_hash == key_hash_of(KEY)

    asyncio.run(run())


def test_a_key_does_not_outlive_its_grace_while_postgres_is_away() -> None:
    async def run() -> list[bool]:
        clock, keys = Clock(), Keys(record_of())
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), clock)
        await authenticator.caller(bearer())
        keys.away = True
        served = []
        for _ in range(400):
            clock.now += 1.0
            try:
                await authenticator.caller(bearer())
                served.append(True)
            except DatabaseUnavailable:
                served.append(False)
        return served

    served = asyncio.run(run())
    assert all(served[: int(STALE_S) - 1])
    assert not any(served[int(STALE_S) :])


def test_while_postgres_is_away_a_known_key_does_not_wait_for_it_each_time() -> None:
    async def run() -> int:
        clock, keys = Clock(), Keys(record_of())
        authenticator = Authenticator(Secret(MASTER), keys, Silence(), clock)
        await authenticator.caller(bearer())
        keys.away = True
        for _ in range(10):
            clock.now += 1.0
            await authenticator.caller(bearer())
        return len(keys.asked)

    assert asyncio.run(run()) <= 4
