"""SCIM, called directly: both dialects of directories; what becomes of users, teams, keys and sessions."""

import json
from typing import Any

import msgspec
import pytest

from functions import scim
from functions.contract.call import SCIM_USER_ID
from functions.contract.function import RawReply
from functions.keys import generate
from functions.teams import member_add
from functions.teams import new as new_team
from functions.users import block
from functions.users import new as new_user
from runtime.identity.authenticator import SCIM_TOKEN_HASH
from schema.errors.base import GatewayError
from schema.errors.callers import SignInFailed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import Conflict, NotFound, PreconditionFailed
from schema.identity import SignInRules
from schema.scim import scim_form
from tests.fakes.entra import Entra, Person
from tests.functions.governed import VISIT, House, in_house
from tests.functions.signing_in import furnished, sign_in, user_of

PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
ADA: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE],
    "userName": "ada@deeprunner.ai",
    "externalId": "oid-ada",
    "active": True,
    "displayName": "Ada Lovelace",
    "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"},
    "emails": [{"value": "ada@deeprunner.ai", "type": "work", "primary": True}],
    "roles": [],
    ENTERPRISE: {"department": "Engines", "employeeNumber": "7"},
}


def directory() -> Any:
    from functions.contract.call import Caller
    from functions.contract.roles import PROXY_ADMIN

    return Caller(role=PROXY_ADMIN, key_hash=SCIM_TOKEN_HASH, user_id=SCIM_USER_ID)


async def ask(house: House, function: Any, body: Any = None, **more: Any) -> RawReply:
    reply = await house.call(function, body, directory(), **more)
    assert isinstance(reply, RawReply)
    return reply


async def told(house: House, function: Any, body: Any = None, **more: Any) -> Any:
    return json.loads((await ask(house, function, body, **more)).content)


def patch(*operations: dict[str, Any], id: str) -> dict[str, Any]:
    return {"schemas": [PATCH_URN], "Operations": list(operations), "id": id}


async def row(house: House, user_id: str) -> dict[str, Any]:
    found = await house.database.pool.fetchrow(
        'SELECT * FROM "LiteLLM_UserTable" WHERE user_id = $1', user_id
    )
    return dict(found)


def test_a_user_is_made_shown_and_found(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        reply = await ask(house, scim.create_user, ADA)
        assert (reply.status, reply.media_type) == (201, "application/scim+json")
        made = json.loads(reply.content)
        assert made["meta"]["version"] == reply.headers["etag"]
        assert made["meta"]["location"] == reply.headers["location"]
        assert reply.headers["location"] == f"http://127.0.0.1:4000/scim/v2/Users/{made['id']}"
        stored = await row(house, made["id"])
        assert (stored["user_email"], stored["user_alias"]) == ("ada@deeprunner.ai", "Ada Lovelace")
        assert (stored["external_id"], stored["role_source"]) == ("oid-ada", "default")
        assert made[ENTERPRISE]["department"] == "Engines"
        again = await told(house, scim.show_user, {"id": made["id"]})
        assert again == made
        for text in (
            'userName eq "ADA@deeprunner.ai"',
            'externalId eq "oid-ada"',
            'emails[type eq "work"].value eq "ada@deeprunner.ai"',
            'emails.value eq "ada@deeprunner.ai"',
            f'id eq "{made["id"]}"',
            'userName sw "ada" and active eq true',
            'name.familyName co "love" or userName eq "x"',
            'not (userName eq "bob")',
            f'{ENTERPRISE}:department eq "Engines"',
            "externalId pr",
        ):
            found = await told(house, scim.list_users, {"filter": text})
            assert [each["id"] for each in found["Resources"]] == [made["id"]], text
        assert (await told(house, scim.list_users, {"filter": 'userName eq "bob"'}))["totalResults"] == 0
        with pytest.raises(Conflict) as caught:
            await ask(house, scim.create_user, {**ADA, "userName": "ADA@DeepRunner.AI"})
        assert scim_form(caught.value, None).scimType == "uniqueness"

    in_house(postgres_dsn, scenario)


def test_a_page_begins_where_it_is_asked_to(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for number in range(5):
            await house.call(new_user, {"user_id": f"u{number}", "auto_create_key": False})

        async def ids(**query: Any) -> tuple[int, list[str]]:
            found = await told(house, scim.list_users, query)
            assert found["itemsPerPage"] == len(found["Resources"])
            return found["totalResults"], [each["id"] for each in found["Resources"]]

        assert await ids() == (5, ["u0", "u1", "u2", "u3", "u4"])
        assert await ids(startIndex=2, count=2) == (5, ["u1", "u2"])
        assert await ids(startIndex=5, count=10) == (5, ["u4"])
        assert await ids(startIndex=-3, count=1) == (5, ["u0"])
        assert await ids(count=0) == (5, [])
        assert await ids(count=-1) == (5, [])
        assert await ids(startIndex=2, count=1, filter='userName sw "u"') == (5, ["u1"])
        only = await told(house, scim.list_users, {"attributes": "userName", "count": 1})
        assert set(only["Resources"][0]) <= {"schemas", "id", "userName", "meta"}

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "userName",
        "userName eq",
        'userName eq "a" and',
        'nothing eq "a"',
        'userName zz "a"',
        "((((((",
        'active gt "x"',
        'userName eq "' + "x" * 3000 + '"',
    ],
    ids=lambda text: text[:20],
)
def test_a_filter_that_is_none_is_a_bad_request(postgres_dsn: str, text: str) -> None:
    async def scenario(house: House) -> None:
        if not text:
            return
        with pytest.raises(InvalidRequest) as caught:
            await ask(house, scim.list_users, {"filter": text})
        assert scim_form(caught.value, None).scimType in ("invalidFilter", "invalidValue", "invalidPath")

    in_house(postgres_dsn, scenario)


def test_entras_way_of_patching(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        id = (await told(house, scim.create_user, ADA))["id"]
        found = await told(
            house,
            scim.patch_user,
            patch(
                {"op": "Replace", "path": "displayName", "value": "Ada L."},
                {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "al@deeprunner.ai"},
                {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+1 555"},
                {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Looms"},
                {"op": "Replace", "path": "name.familyName", "value": "King"},
                id=id,
            ),
        )
        assert (found["displayName"], found["name"]["familyName"]) == ("Ada L.", "King")
        assert found["phoneNumbers"] == [{"type": "mobile", "value": "+1 555"}]
        assert found[ENTERPRISE]["department"] == "Looms"
        stored = await row(house, id)
        assert (stored["user_email"], stored["user_alias"]) == ("al@deeprunner.ai", "Ada L.")
        for value, deactivated in (("False", True), ("True", False), (False, True), (True, False)):
            await ask(
                house, scim.patch_user, patch({"op": "Replace", "path": "active", "value": value}, id=id)
            )
            assert (await row(house, id))["deactivated"] is deactivated, value
        body = {"displayName": "A", "active": False}
        await ask(house, scim.patch_user, patch({"op": "replace", "value": body}, id=id))
        assert (await row(house, id))["deactivated"]

    in_house(postgres_dsn, scenario)


def test_oktas_way_of_replacing(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        okta = {
            "schemas": [USER_URN],
            "userName": "bob@deeprunner.ai",
            "name": {"givenName": "Bob", "familyName": "Builder"},
            "emails": [{"primary": True, "value": "bob@deeprunner.ai", "type": "work"}],
            "displayName": "Bob Builder",
            "locale": "en-US",
            "externalId": "00u1",
            "groups": [],
            "password": "1mz050nq",
            "active": True,
        }
        id = (await told(house, scim.create_user, okta))["id"]
        rows = await house.database.pool.fetch('SELECT * FROM "LiteLLM_AuditLog"')
        assert "1mz050nq" not in str([dict(each) for each in rows]) + str(await row(house, id))
        found = await told(house, scim.replace_user, {**okta, "active": False, "id": id})
        assert not found["active"]
        assert "password" not in found
        assert (await row(house, id))["deactivated"]
        await ask(house, scim.patch_user, patch({"op": "replace", "value": {"active": True}}, id=id))
        assert not (await row(house, id))["deactivated"]

    in_house(postgres_dsn, scenario)


def test_who_has_left_calls_and_signs_in_no_more_and_a_block_stays(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        id = (await told(house, scim.create_user, ADA))["id"]
        made = await house.call(generate, {"user_id": id})
        secret = await house.people.sessions.begin(id, "sso", VISIT, SignInRules())
        assert await house.people.sessions.caller(secret) is not None

        from runtime.identity.authority_reader import AuthorityReader

        keys = AuthorityReader(house.policy, house.database)

        async def may_call() -> bool:
            found = await keys.find(made.token)
            return found is not None and found.caller is not None

        assert await may_call()
        await ask(house, scim.patch_user, patch({"op": "replace", "path": "active", "value": False}, id=id))
        house.people.forget("all")
        assert (await may_call(), await house.people.sessions.caller(secret)) == (False, None)
        assert f"user:{id}" in house.announced
        await ask(house, scim.patch_user, patch({"op": "replace", "path": "active", "value": True}, id=id))
        assert await may_call()
        house.people.forget("all")
        assert await house.people.sessions.caller(secret) is None, "an ended session came back"
        await house.call(block, {"user_id": id})
        await ask(house, scim.patch_user, patch({"op": "replace", "path": "active", "value": True}, id=id))
        assert not await may_call(), "the directory took an admin's block away"

    in_house(postgres_dsn, scenario)


def test_roles_come_from_the_directory_unless_an_admin_gave_one(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        body = {**ADA, "roles": [{"value": "DevOps", "primary": True}]}
        id = (await told(house, scim.create_user, body))["id"]
        assert ((await row(house, id))["user_role"], (await row(house, id))["role_source"]) == (
            "devops",
            "scim",
        )
        promote = {"op": "replace", "path": "roles", "value": [{"value": "proxy_admin"}]}
        await ask(house, scim.patch_user, patch(promote, id=id))
        assert (await row(house, id))["user_role"] == "proxy_admin"
        await house.database.pool.execute("UPDATE \"LiteLLM_UserTable\" SET user_role = 'internal_user'")
        await ask(house, scim.patch_user, patch({**promote, "value": [{"value": "devops"}]}, id=id))
        assert (await row(house, id))["user_role"] == "internal_user"

    in_house(postgres_dsn, scenario)


def test_versions_keep_two_changes_apart(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        reply = await ask(house, scim.create_user, ADA)
        id, version = json.loads(reply.content)["id"], reply.headers["etag"]
        visit = msgspec.structs.replace(VISIT, if_none_match=version)
        same = await ask(house, scim.show_user, {"id": id}, visit=visit)
        assert (same.status, same.content) == (304, b"")
        change = patch({"op": "replace", "path": "displayName", "value": "New"}, id=id)
        visit = msgspec.structs.replace(VISIT, if_match=version)
        changed = await ask(house, scim.patch_user, change, visit=visit)
        assert changed.headers["etag"] != version
        for function, body in (
            (scim.patch_user, change),
            (scim.replace_user, {**ADA, "id": id}),
            (scim.delete_user, {"id": id}),
        ):
            with pytest.raises(PreconditionFailed):
                await ask(house, function, body, visit=visit)

    in_house(postgres_dsn, scenario)


def test_a_group_is_a_team_with_its_members(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        ada = (await told(house, scim.create_user, ADA))["id"]
        bob = (await told(house, scim.create_user, {"schemas": [USER_URN], "userName": "bob"}))["id"]
        group = {
            "schemas": [GROUP_URN],
            "displayName": "Platform",
            "externalId": "g-1",
            "members": [{"value": ada}],
        }
        made = await told(house, scim.create_group, group)
        team_id = made["id"]

        async def members() -> list[str]:
            rows = await house.database.pool.fetch(
                'SELECT user_id, source FROM "LiteLLM_TeamMembership" WHERE team_id = $1', team_id
            )
            return sorted(each["user_id"] for each in rows)

        assert await members() == [ada]
        assert [each["value"] for each in made["members"]] == [ada]
        shown = await told(house, scim.show_user, {"id": ada})
        address = f"http://127.0.0.1:4000/scim/v2/Groups/{team_id}"
        assert shown["groups"] == [{"value": team_id, "display": "Platform", "$ref": address}]
        for text in ('displayName eq "platform"', 'externalId eq "g-1"', 'displayName co "latf"'):
            found = await told(house, scim.list_groups, {"filter": text, "excludedAttributes": "members"})
            assert [each["id"] for each in found["Resources"]] == [team_id]
            assert "members" not in found["Resources"][0]
        entra_add = {"op": "Add", "path": "members", "value": [{"value": bob}]}
        await ask(house, scim.patch_group, patch(entra_add, id=team_id))
        assert await members() == sorted([ada, bob])
        await ask(house, scim.patch_group, patch({**entra_add, "op": "Remove"}, id=team_id))
        assert await members() == [ada]
        okta_remove = {"op": "remove", "path": f'members[value eq "{ada}"]'}
        await ask(house, scim.patch_group, patch(okta_remove, id=team_id))
        assert await members() == []
        okta_rename = {"op": "replace", "value": {"id": team_id, "displayName": "Platforms"}}
        renamed = await told(house, scim.patch_group, patch(okta_rename, id=team_id))
        assert renamed["displayName"] == "Platforms"
        both = [{"value": ada}, {"value": bob}]
        await ask(house, scim.replace_group, {**group, "members": both, "id": team_id})
        assert await members() == sorted([ada, bob])
        with pytest.raises(InvalidRequest, match="there is no user"):
            await ask(
                house, scim.patch_group, patch({**entra_add, "value": [{"value": "nobody"}]}, id=team_id)
            )
        assert (await ask(house, scim.delete_group, {"id": team_id})).status == 204
        with pytest.raises(NotFound):
            await ask(house, scim.show_group, {"id": team_id})

    in_house(postgres_dsn, scenario)


def test_a_team_that_was_made_here_outlives_its_group(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(new_user, {"user_id": "by-hand", "auto_create_key": False})
        await house.call(new_team, {"team_id": "here", "team_alias": "Here", "max_budget": 5})
        await house.call(member_add, {"team_id": "here", "member": {"user_id": "by-hand"}})
        ada = (await told(house, scim.create_user, ADA))["id"]
        add = {"op": "Add", "path": "members", "value": [{"value": ada}]}
        await ask(house, scim.patch_group, patch(add, id="here"))
        await ask(house, scim.delete_group, {"id": "here"})
        rows = await house.database.pool.fetch(
            "SELECT user_id FROM \"LiteLLM_TeamMembership\" WHERE team_id = 'here'"
        )
        assert [each["user_id"] for each in rows] == ["by-hand"]

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("function", "body"),
    [
        (scim.create_user, {}),
        (scim.create_user, {"schemas": [USER_URN]}),
        (scim.create_user, {"schemas": [USER_URN], "userName": {"a": 1}}),
        (scim.create_user, {"schemas": [USER_URN], "userName": "x", "emails": "no list"}),
        (scim.create_user, {"schemas": ["urn:made-up"], "userName": "x"}),
        (scim.create_user, {"schemas": [USER_URN], "userName": "x\x00y"}),
        (scim.create_group, {"schemas": [GROUP_URN]}),
        (scim.create_group, {"schemas": [GROUP_URN], "displayName": "x", "members": [{"value": 1}]}),
        (scim.patch_user, {"id": "nobody"}),
        (scim.patch_user, {"id": "ada"}),
        (scim.patch_user, patch(id="ada")),
        (scim.patch_user, patch({"op": "burn", "path": "x"}, id="ada")),
        (scim.patch_user, patch({"op": "replace", "path": "((", "value": 1}, id="ada")),
        (scim.patch_user, patch({"op": "replace", "path": "active", "value": "perhaps"}, id="ada")),
        (scim.patch_user, patch({"op": "remove"}, id="ada")),
        (scim.patch_user, patch({"op": "remove", "path": "userName"}, id="ada")),
        (scim.patch_user, patch({"op": "replace", "path": "id", "value": "x"}, id="ada")),
        (scim.replace_user, {"id": "ada"}),
        (scim.replace_user, {"id": "nobody", "schemas": [USER_URN], "userName": "x"}),
        (scim.delete_user, {"id": "nobody"}),
        (scim.delete_group, {"id": "nobody"}),
        (scim.show_user, {"id": "nobody"}),
        (scim.show_user, {"id": "ada", "attributes": "a[", "excludedAttributes": "b"}),
        (scim.schema, {"id": "urn:nope"}),
        (scim.resource_type, {"id": "Nope"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value)[:80],
)
def test_what_a_directory_gets_wrong_is_told_and_changes_nothing(
    postgres_dsn: str, function: Any, body: dict[str, Any]
) -> None:
    async def scenario(house: House) -> None:
        await house.call(new_user, {"user_id": "ada", "auto_create_key": False})
        before = await house.database.pool.fetch('SELECT * FROM "LiteLLM_UserTable"')
        with pytest.raises(GatewayError) as caught:
            await ask(house, function, body)
        assert 400 <= caught.value.http_status < 500
        after = await house.database.pool.fetch('SELECT * FROM "LiteLLM_UserTable"')
        assert [dict(each) for each in before] == [dict(each) for each in after]

    in_house(postgres_dsn, scenario)


def test_what_describes_the_service(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        config = await told(house, scim.provider_config)
        assert config["patch"] == {"supported": True}
        assert config["etag"]["supported"]
        assert not config["bulk"]["supported"]
        listed = await told(house, scim.schemas)
        assert {each["id"] for each in listed["Resources"]} == {USER_URN, GROUP_URN, ENTERPRISE}
        assert (await told(house, scim.schema, {"id": USER_URN}))["name"] == "User"
        types = await told(house, scim.resource_types)
        assert [each["endpoint"] for each in types["Resources"]] == ["/Users", "/Groups"]
        assert (await told(house, scim.resource_type, {"id": "Group"}))["schema"] == GROUP_URN

    in_house(postgres_dsn, scenario)


def test_who_the_directory_told_signs_in_as_that_user(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with Entra().running() as entra:
            furnished(house, entra)
            person = Person(oid="oid-ada", email="another@deeprunner.ai")
            id = (await told(house, scim.create_user, ADA))["id"]
            await sign_in(house, entra, person)
            assert (await row(house, id))["sso_user_id"] == f"{entra.tenant_id}:oid-ada"
            stranger = Person(oid="oid-eve", email="ADA@deeprunner.ai")
            await sign_in(house, entra, stranger)
            assert (await user_of(house, stranger))["user_id"] != id
            await ask(
                house, scim.patch_user, patch({"op": "replace", "path": "active", "value": False}, id=id)
            )
            with pytest.raises(SignInFailed, match="blocked"):
                await sign_in(house, entra, person)

    in_house(postgres_dsn, scenario)
