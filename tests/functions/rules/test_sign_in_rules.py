"""What claims mean, and where a browser may be led to."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.contract.roles import ASSIGNABLE
from functions.rules.sign_in_rules import (
    BY_DIRECTORY,
    HOME,
    claimed_role,
    claimed_teams,
    may_come,
    return_path,
    settled_role,
)
from schema.identity import DirectoryGroup, Identity, RoleRules, SignInRules, TeamRules

BASE = "https://llm.example/gw/login"
PARTS = st.sampled_from(
    [
        "/",
        "//",
        "\\",
        "..",
        ".",
        "%2f",
        "%5c",
        "%0d%0a",
        "@",
        ":",
        "evil.example",
        "http:",
        "a",
        "?",
        "#",
        "\t",
        " ",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(PARTS, max_size=8).map("".join)))
@example("/\t/evil.example")
@example("/%09/evil.example")
@example("/\u2028/evil.example")
def test_a_browser_is_never_led_to_another_site(asked: str) -> None:
    path = return_path(asked)
    there = urlsplit(urljoin(BASE, path))
    assert (there.scheme, there.netloc) == ("https", "llm.example")
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert path.isascii()
    assert path.isprintable()


@given(st.text("abcdefghijk0123456789-_", min_size=1, max_size=20))
def test_a_path_of_ours_is_kept(name: str) -> None:
    assert return_path(f"/ui/{name}?page=2&q={name}") == f"/ui/{name}?page=2&q={name}"


@given(
    st.sampled_from([None, *ASSIGNABLE, "emperor"]),
    st.sampled_from([None, "sql", "api", "scim", "claim", "default"]),
    st.sampled_from([None, *ASSIGNABLE]),
)
def test_a_claim_changes_only_what_the_directory_gave(
    role: str | None, source: str | None, claimed: str | None
) -> None:
    found = settled_role(role, source, claimed)
    if source in ("sql", "api"):
        assert found.role is None
        assert found.differing == (claimed if claimed != role else None)
    if found.role is not None:
        assert found.role == claimed
        assert source in (*BY_DIRECTORY, None)
    if claimed is None:
        assert (found.role, found.differing) == (None, None)


def test_where_no_role_is_claimed_a_role_of_the_same_source_goes() -> None:
    assert settled_role("proxy_admin", "claim", None, usual="internal_user").role == "internal_user"
    assert settled_role("proxy_admin", "scim", None, by="scim", usual="internal_user").role == "internal_user"
    assert settled_role("internal_user", "claim", None, usual="internal_user").role is None
    assert settled_role("proxy_admin", "claim", None, usual=None).role is None
    for source in ("sql", "api", "scim", "default", None):
        assert settled_role("proxy_admin", source, None, usual="internal_user").role is None


def test_a_row_from_before_sources_were_kept_keeps_a_higher_role() -> None:
    assert settled_role("proxy_admin", None, "internal_user").role is None
    assert settled_role("internal_user", None, "devops").role == "devops"


def person(*roles: str, groups: tuple[str, ...] | None = None) -> Identity:
    found = None if groups is None else tuple(DirectoryGroup(id=f"id-{name}", name=name) for name in groups)
    return Identity(provider="generic", key="x", roles=roles, groups=found)


@pytest.mark.parametrize(
    ("roles", "groups", "role"),
    [
        ((), None, None),
        (("internal_user", "Proxy_Admin"), None, "proxy_admin"),
        (("nonsense",), None, None),
        ((), ("Ops",), "devops"),
        ((), ("id-Ops",), None),
        (("internal_user",), ("Ops", "Chiefs"), "proxy_admin"),
        ((), (), None),
    ],
)
def test_the_highest_role_of_claims_and_groups_counts(
    roles: tuple[str, ...], groups: tuple[str, ...] | None, role: str | None
) -> None:
    mapped = RoleRules(group_roles={"devops": ("Ops",), "proxy_admin": ("id-Chiefs",)})
    assert claimed_role(person(*roles, groups=groups), SignInRules(roles=mapped)) == role


def test_entras_groups_give_roles_by_their_ids_alone() -> None:
    rules = SignInRules(roles=RoleRules(group_roles={"proxy_admin": ("Admins", "id-1")}))
    for provider, id, name, role in (
        ("microsoft", "id-2", "Admins", None),
        ("microsoft", "id-1", "Anything", "proxy_admin"),
        ("generic", "id-2", "Admins", "proxy_admin"),
    ):
        group = DirectoryGroup(id=id, name=name)
        identity = Identity(provider=provider, key="x", groups=(group,))  # type: ignore[arg-type]
        assert claimed_role(identity, rules) == role


def test_a_default_role_counts_where_nothing_else_does() -> None:
    rules = SignInRules(
        roles=RoleRules(group_roles={"devops": ("Ops",)}, default_role="internal_user_viewer")
    )
    assert claimed_role(person(groups=("Other",)), rules) == "internal_user_viewer"
    assert claimed_role(person(groups=("Ops",)), rules) == "devops"


def test_groups_that_nobody_told_change_no_team() -> None:
    rules = SignInRules(teams=TeamRules(groups={"Ops": "ops"}))
    assert claimed_teams(person(), rules) is None
    assert claimed_teams(person(groups=()), rules) == ()
    assert [team for team, _ in claimed_teams(person(groups=("Ops", "X")), rules) or ()] == ["ops"]
    assert claimed_teams(person(groups=("Ops",)), SignInRules()) is None


@given(st.text(max_size=40))
def test_no_address_slips_through_the_domains(email: str) -> None:
    rules = SignInRules(allowed_domains=("deeprunner.ai",))
    if may_come(email, rules):
        assert email.lower().endswith("@deeprunner.ai")
    assert may_come(email, SignInRules())
    assert HOME == "/ui"
