"""Everybody saves filters of one's own: they are bounded, and nobody reads another's."""

import asyncio

import msgspec
import pytest

from functions import audit, keys, saved_filters, users
from functions.contract.call import MASTER_KEY_HASH, MASTER_USER_ID, Caller
from functions.contract.roles import INTERNAL_USER, INTERNAL_USER_VIEWER, PROXY_ADMIN
from runtime.identity.authenticator import Authenticator
from runtime.identity.authority_reader import AuthorityReader
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import Conflict, NotFound
from schema.identity import SignInRules
from schema.saved_filters import SavedFilter
from schema.secret import Secret
from tests.fakes.authority import Silence
from tests.functions.governed import VISIT, Body, House, bodies, cases, in_house

ADA = Caller(role=INTERNAL_USER, key_hash="session:ada", user_id="ada")
BOB = Caller(role=INTERNAL_USER_VIEWER, key_hash="session:bob", user_id="bob")
MASTER = Caller(role=PROXY_ADMIN, key_hash=MASTER_KEY_HASH, user_id=MASTER_USER_ID, is_master=True)
FAILED: Body = {"page": "activity", "name": "Failed today", "filters": {"outcome": "failed", "range": "2d"}}


async def peopled(house: House) -> None:
    for user_id in ("ada", "bob"):
        await house.call(users.new, {"user_id": user_id, "auto_create_key": False})


async def names(house: House, by: Caller, page: str | None = None) -> list[str]:
    found = await house.call(saved_filters.list_filters, {"page": page} if page else {}, by)
    return [f"{each.page}: {each.name}" for each in found.filters]


def test_filters_are_saved_listed_renamed_changed_and_deleted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        made = await house.call(saved_filters.new, FAILED, ADA)
        await house.call(saved_filters.new, {**FAILED, "page": "usage", "name": " By team "}, ADA)
        assert await names(house, ADA) == ["activity: Failed today", "usage: By team"]
        assert await names(house, ADA, "usage") == ["usage: By team"]
        body: Body = {"filter_id": made.filter_id, "name": "Failed"}
        renamed = await house.call(saved_filters.update, body, ADA)
        assert (renamed.name, renamed.filters) == ("Failed", FAILED["filters"])
        body = {"filter_id": made.filter_id, "filters": {"outcome": "refused"}}
        changed = await house.call(saved_filters.update, body, ADA)
        assert (changed.name, changed.filters) == ("Failed", {"outcome": "refused"})
        gone = await house.call(saved_filters.delete, {"filter_id": made.filter_id}, ADA)
        assert gone == changed
        assert await names(house, ADA) == ["usage: By team"]

    in_house(postgres_dsn, scenario)


def test_nobody_reads_or_changes_anothers_filters_an_admin_neither(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        id = (await house.call(saved_filters.new, FAILED, ADA)).filter_id
        for other in (BOB, MASTER):
            assert await names(house, other) == []
            for function, body in cases(
                (saved_filters.update, {"filter_id": id, "name": "x"}),
                (saved_filters.delete, {"filter_id": id}),
            ):
                with pytest.raises(NotFound):
                    await house.call(function, body, other)
        assert await names(house, ADA) == ["activity: Failed today"]

    in_house(postgres_dsn, scenario)


def test_the_audit_log_has_who_saved_which_name_and_not_what_is_looked_for(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        made = await house.call(saved_filters.new, FAILED, ADA)
        await house.call(saved_filters.update, {"filter_id": made.filter_id, "name": "Failed"}, ADA)
        for same in ({"name": "Failed"}, {"filters": dict(made.filters)}):  # which are no changes
            await house.call(saved_filters.update, {"filter_id": made.filter_id, **same}, ADA)
        await house.call(saved_filters.delete, {"filter_id": made.filter_id}, ADA)
        log = await house.call(audit.audit, {"object_id": made.filter_id})
        entries = [
            (each.action, each.changed_by, msgspec.json.decode(msgspec.json.encode(each.updated_values)))
            for each in log.audit_logs
        ]
        assert sorted(entries, key=lambda entry: entry[0]) == [
            ("created", "ada", {"page": "activity", "name": "Failed today"}),
            ("deleted", "ada", {"page": "activity", "name": "Failed"}),
            ("updated", "ada", {"page": "activity", "name": "Failed"}),
        ]

    in_house(postgres_dsn, scenario)


def test_a_name_stands_once_on_a_page_for_each_user(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        await house.call(saved_filters.new, FAILED, ADA)
        await house.call(saved_filters.new, FAILED, BOB)
        await house.call(saved_filters.new, {**FAILED, "page": "usage"}, ADA)
        other = await house.call(saved_filters.new, {**FAILED, "name": "other"}, ADA)
        with pytest.raises(Conflict, match="name"):
            await house.call(saved_filters.new, FAILED, ADA)
        with pytest.raises(Conflict, match="name"):
            await house.call(
                saved_filters.update, {"filter_id": other.filter_id, "name": "Failed today"}, ADA
            )

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "same",
    ["Caf\u00e9 \u212b", "  Caf\u00e9 \u00c5", "Cafe\u0301 A\u030a\t", "\u00a0Cafe\u0301 \u212b\u2003"],
    ids=["one sign each", "blanks before", "signs and accents, a tab", "wide blanks"],
)
def test_a_name_that_is_written_in_other_code_points_or_with_blanks_is_the_same_name(
    postgres_dsn: str, same: str
) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        made = await house.call(saved_filters.new, {**FAILED, "name": "Cafe\u0301 A\u030a"}, ADA)
        assert made.name == "Caf\u00e9 \u00c5"
        other = await house.call(saved_filters.new, {**FAILED, "name": "other"}, ADA)
        with pytest.raises(Conflict, match="name"):
            await house.call(saved_filters.new, {**FAILED, "name": same}, ADA)
        with pytest.raises(Conflict, match="name"):
            await house.call(saved_filters.update, {"filter_id": other.filter_id, "name": same}, ADA)
        kept = await house.call(saved_filters.update, {"filter_id": made.filter_id, "name": same}, ADA)
        assert kept == made, "which is no change"
        assert await names(house, ADA) == ["activity: Caf\u00e9 \u00c5", "activity: other"]

    in_house(postgres_dsn, scenario)


def test_a_user_has_a_hundred_at_most_also_where_many_are_saved_at_once(postgres_dsn: str) -> None:
    async def scenario(house: House) -> list[SavedFilter | BaseException]:
        await peopled(house)
        for n in range(saved_filters.MAX_FILTERS - 2):
            await house.call(saved_filters.new, {**FAILED, "name": f"n{n}"}, ADA)
        told = await asyncio.gather(
            *(house.call(saved_filters.new, {**FAILED, "name": f"more{n}"}, ADA) for n in range(6)),
            return_exceptions=True,
        )
        assert len(await names(house, ADA)) == saved_filters.MAX_FILTERS
        await house.call(saved_filters.new, FAILED, BOB)
        return told

    told = in_house(postgres_dsn, scenario)
    refused = [each for each in told if isinstance(each, InvalidRequest)]
    assert len(refused) == 4
    assert "At most 100 filters" in str(refused[0])


def test_filters_go_with_their_user(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        await house.call(saved_filters.new, FAILED, ADA)
        await house.call(saved_filters.new, FAILED, BOB)
        await house.call(users.delete, {"user_ids": ["ada"]})
        with pytest.raises(NotFound, match="no user any more"):
            await house.call(saved_filters.new, FAILED, ADA)  # whose session a worker still knows
        await house.call(users.new, {"user_id": "ada", "auto_create_key": False})
        assert await names(house, ADA) == []
        assert await names(house, BOB) == ["activity: Failed today"]

    in_house(postgres_dsn, scenario)


def test_the_master_key_has_filters_of_its_own(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(saved_filters.new, FAILED, MASTER)
        assert await names(house, MASTER) == ["activity: Failed today"]

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("role", [INTERNAL_USER, PROXY_ADMIN])
def test_a_key_with_the_master_keys_user_id_has_no_filters_and_reaches_none_of_the_masters(
    postgres_dsn: str, role: str
) -> None:
    async def scenario(house: House) -> None:
        await house.call(users.new, {"user_id": MASTER_USER_ID, "user_role": role, "auto_create_key": False})
        made = await house.call(keys.generate, {"user_id": MASTER_USER_ID})
        reader = AuthorityReader(house.policy, house.database)
        authenticator = Authenticator(Secret("sk-another-master-key"), reader, Silence())
        of_key = await authenticator.caller({"authorization": f"Bearer {made.key}"})
        assert (of_key.user_id, of_key.role) == (MASTER_USER_ID, role)
        id = (await house.call(saved_filters.new, FAILED, MASTER)).filter_id
        for function, body in cases(
            (saved_filters.list_filters, {}),
            (saved_filters.new, {**FAILED, "name": "mine"}),
            (saved_filters.update, {"filter_id": id, "name": "mine"}),
            (saved_filters.delete, {"filter_id": id}),
        ):
            with pytest.raises(NotAllowed, match="master key"):
                await house.call(function, body, of_key)
        session = await house.people.sessions.begin(MASTER_USER_ID, "master_key", VISIT, SignInRules())
        of_master = await house.people.sessions.caller(session)
        assert of_master is not None
        assert await names(house, of_master) == ["activity: Failed today"]

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "body",
    bodies(
        {"page": ""},
        {"page": "../admin"},
        {"page": "a" * 41},
        {"name": "  "},
        {"name": "x" * 81},
        {"name": "a\x00b"},
        {"filters": {}},
        {"filters": {f"f{n}": "x" for n in range(31)}},
        {"filters": {"q": "x" * 513}},
        {"filters": {"q": "a\nb"}},
        {"filters": {"q": ""}},
        {"filters": {"Not a word": "x"}},
        {"user_id": "bob"},
    ),
    ids=str,
)
def test_what_no_saved_filter_can_be_is_refused_by_name(postgres_dsn: str, body: Body) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=next(iter(body))):
            await house.call(saved_filters.new, {**FAILED, **body}, ADA)

    in_house(postgres_dsn, scenario)


def test_a_change_without_a_change_and_an_id_that_none_can_be_are_refused(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        for body in bodies(
            {"filter_id": "x"}, {"filter_id": "", "name": "y"}, {"filter_id": "a\x00", "name": "y"}
        ):
            with pytest.raises(InvalidRequest):
                await house.call(saved_filters.update, body, ADA)

    in_house(postgres_dsn, scenario)
