import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from functions import keys
from functions.context import INTERNAL_USER, Caller
from schema.errors import Conflict, InvalidRequest, NotFound, UnsupportedParameter
from schema.keys import (
    KeyDeleteRequest,
    KeyGenerated,
    KeyGenerateRequest,
    KeyInfoQuery,
    KeyListQuery,
    KeyRecord,
)
from schema.wire import decode_body
from tests.fakes.keys import FakeKeys
from tests.functions.contexts import MEMBER, NOW, key_ctx


def generate(store: FakeKeys, **fields: Any) -> KeyGenerated:
    return asyncio.run(keys.generate(KeyGenerateRequest(**fields), key_ctx(store)))


def record(token: str, **more: Any) -> KeyRecord:
    facts: dict[str, Any] = {"key_name": "sk-...x", "created_at": NOW, "created_by": "admin"}
    return KeyRecord(token=token, **(facts | more))


def test_a_new_key_is_stored_by_its_hash_alone() -> None:
    store = FakeKeys()
    made = generate(store, key_alias="laptop", models=["gpt"], user_id="ada", duration="30d")
    stored = store.records[made.token]
    assert made.token == hashlib.sha256(made.key.encode()).hexdigest()
    assert made.key not in str(msgspec.json.encode(stored))
    assert made.key_name == f"sk-...{made.key[-4:]}"
    assert (stored.models, stored.user_id, stored.expires) == (["gpt"], "ada", NOW + timedelta(days=30))


def test_a_chosen_key_is_taken_if_it_is_worth_it() -> None:
    assert generate(FakeKeys(), key="sk-chosen-by-hand-1").key == "sk-chosen-by-hand-1"
    for poor in ("sk-short", "chosen-by-hand-without-prefix", "sk-" + "é" * 20):
        with pytest.raises(InvalidRequest) as caught:
            generate(FakeKeys(), key=poor)
        assert caught.value.param == "key"


def test_the_same_alias_twice_is_a_conflict() -> None:
    store = FakeKeys()
    generate(store, key="sk-first-0123456789", key_alias="laptop")
    with pytest.raises(Conflict):
        generate(store, key="sk-second-0123456789", key_alias="laptop")


def test_a_limit_that_would_not_be_kept_is_refused_by_name() -> None:
    decoder = msgspec.json.Decoder(KeyGenerateRequest)
    request = decode_body(decoder, b'{"key_alias":"a","max_budget":10.5}')
    with pytest.raises(UnsupportedParameter) as caught:
        asyncio.run(keys.generate(request, key_ctx(FakeKeys())))
    assert caught.value.param == "max_budget"


def test_fields_that_ask_for_nothing_pass() -> None:
    decoder = msgspec.json.Decoder(KeyGenerateRequest)
    request = decode_body(decoder, b'{"max_budget":null,"aliases":{},"spend":0}')
    assert asyncio.run(keys.generate(request, key_ctx(FakeKeys()))).key


@pytest.mark.parametrize(
    ("field", "most", "too_much"),
    [
        ("key_alias", "a" * 256, "a" * 257),
        ("user_id", "a" * 256, "a" * 257),
        ("team_id", "a" * 256, "a" * 257),
        ("models", ["m"] * 1_000, ["m"] * 1_001),
        ("models", ["m" * 256], ["m" * 257]),
        ("metadata", {"a": msgspec.Raw(b"1" * 16_378)}, {"a": msgspec.Raw(b"1" * 16_379)}),
    ],
)
def test_what_a_key_carries_is_bounded(field: str, most: object, too_much: object) -> None:
    assert generate(FakeKeys(), **{field: most}).key
    with pytest.raises(InvalidRequest) as caught:
        generate(FakeKeys(), **{field: too_much})
    assert caught.value.param == field


def test_a_key_that_expires_at_once_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        generate(FakeKeys(), duration="0s")
    assert caught.value.param == "duration"


def test_info_takes_the_key_or_its_hash() -> None:
    store = FakeKeys()
    made = generate(store)
    for named in (made.key, made.token):
        shown = asyncio.run(keys.info(KeyInfoQuery(key=named), key_ctx(store)))
        assert shown.info.token == made.token
        assert shown.info.status == "active"


def test_a_member_sees_its_own_keys_and_no_others() -> None:
    mine, other = record(MEMBER.key_hash, user_id="ada"), record("b" * 64, user_id="bob")
    also_mine = record("c" * 64, user_id="ada")
    store = FakeKeys([mine, also_mine, other])
    ctx = key_ctx(store, MEMBER)
    assert asyncio.run(keys.info(KeyInfoQuery(), ctx)).key == mine.token
    assert asyncio.run(keys.info(KeyInfoQuery(key=also_mine.token), ctx)).key == also_mine.token
    with pytest.raises(NotFound):
        asyncio.run(keys.info(KeyInfoQuery(key=other.token), ctx))
    listed = asyncio.run(keys.list_keys(KeyListQuery(), ctx))
    assert sorted(str(key) for key in listed.keys) == sorted([mine.token, also_mine.token])
    foreign = asyncio.run(keys.list_keys(KeyListQuery(user_id="bob"), ctx))
    assert foreign.keys == []


def test_a_key_without_a_user_sees_itself_alone() -> None:
    service = Caller(role=INTERNAL_USER, key_hash="d" * 64)
    store = FakeKeys([record("d" * 64), record("e" * 64)])
    listed = asyncio.run(keys.list_keys(KeyListQuery(key_hash="e" * 64), key_ctx(store, service)))
    assert listed.keys == ["d" * 64]


def test_an_expired_and_a_blocked_key_are_told_apart() -> None:
    store = FakeKeys([record("a" * 64, expires=NOW), record("b" * 64, blocked=True)])
    listed = asyncio.run(keys.list_keys(KeyListQuery(return_full_object=True), key_ctx(store)))
    assert {key.token[0]: key.status for key in listed.keys if not isinstance(key, str)} == {
        "a": "expired",
        "b": "blocked",
    }


def test_pages_count_from_one() -> None:
    store = FakeKeys([record(f"{number:064x}") for number in range(25)])
    seen: list[object] = []
    for page in (1, 2, 3):
        listed = asyncio.run(keys.list_keys(KeyListQuery(page=page), key_ctx(store)))
        assert (listed.total_count, listed.total_pages, listed.current_page) == (25, 3, page)
        seen.extend(listed.keys)
    assert len(set(map(str, seen))) == 25


@pytest.mark.parametrize("query", [{"page": 0}, {"size": 0}, {"size": 101}, {"page": 10**9}])
def test_a_page_out_of_range_is_refused_by_name(query: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asyncio.run(keys.list_keys(KeyListQuery(**query), key_ctx(FakeKeys())))
    assert caught.value.param in query


def test_deleting_takes_keys_hashes_and_aliases() -> None:
    store = FakeKeys([record("b" * 64, key_alias="old"), record("c" * 64)])
    made = generate(store)
    request = KeyDeleteRequest(keys=[made.key, "c" * 64], key_aliases=["old"])
    gone = asyncio.run(keys.delete(request, key_ctx(store)))
    assert sorted(gone.deleted_keys) == sorted([made.token, "b" * 64, "c" * 64])
    assert store.records == {}
    assert {by for _, by in store.deleted} == {"default_user_id"}


def test_deleting_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        asyncio.run(keys.delete(KeyDeleteRequest(), key_ctx(FakeKeys())))
    with pytest.raises(NotFound):
        asyncio.run(keys.delete(KeyDeleteRequest(keys=["sk-unknown"]), key_ctx(FakeKeys())))
