"""What claims prove: which claim counts at which kind of provider."""

from typing import Any

import pytest

from runtime.signin.proofs import EmailAddress, address_of, joined, kind_of, subject_of, tenant_of
from schema.errors.callers import SignInFailed
from schema.identity import ProviderKind

TENANT = "0f7d6c1e-5a0b-4b57-9d1f-3f3c8f6f2a11"
ENTRA = f"https://login.microsoftonline.com/{TENANT}/v2.0"
OTHER = "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"
BOSS = "boss@deeprunner.ai"


def proven(kind: ProviderKind, *, name: str = "email", is_trusted: bool = False, **claims: Any) -> str | None:
    """The address that the claims prove."""
    issuer = ENTRA if kind == "microsoft" else "https://login.example"
    found = address_of(kind, claims, issuer, name=name, is_trusted=is_trusted)
    return found.text if found.is_proven else None


@pytest.mark.parametrize("said", [True, "true", 1, "1"])
def test_a_verified_address_is_the_persons_own(said: object) -> None:
    assert proven("generic", email=BOSS, email_verified=said) == BOSS


@pytest.mark.parametrize("said", [None, False, "false", "False", 0, "0", "", "no", [True], {"a": 1}, "yes"])
def test_what_says_nothing_verifies_nothing(said: object) -> None:
    for kind in ("generic", "google"):
        assert proven(kind, email=BOSS, hd="deeprunner.ai", email_verified=said) is None
    assert proven("microsoft", email=BOSS, idp=OTHER, xms_edov=said) is None


def test_email_verified_is_about_the_claim_email_alone() -> None:
    told: dict[str, Any] = {
        "email": "eve@evil.example",
        "email_verified": True,
        "mail": BOSS,
        "preferred_username": BOSS,
    }
    for name in ("mail", "preferred_username"):
        assert proven("generic", name=name, **told) is None
        assert proven("generic", name=name, **{**told, "email": BOSS}) == BOSS
    assert proven("google", name="preferred_username", hd="deeprunner.ai", **told) is None


def test_each_kind_has_its_own_proof() -> None:
    assert proven("generic", email=BOSS, xms_edov=True) is None
    assert proven("google", email=BOSS, xms_edov=True) is None
    assert proven("microsoft", email=BOSS, idp=OTHER, email_verified=True) is None


def test_google_answers_for_its_own_mail_and_for_organizations() -> None:
    assert proven("google", email="ada@gmail.com", email_verified=True) == "ada@gmail.com"
    assert proven("google", email=BOSS, email_verified=True, hd="deeprunner.ai") == BOSS
    assert proven("google", email=BOSS, email_verified=True) is None, "somebody had this address once"


@pytest.mark.parametrize(
    "guest",
    [
        {"idp": OTHER},
        {"acct": 1},
        {"acct": "1"},
        {"preferred_username": "boss_deeprunner.ai#EXT#@x.onmicrosoft.com"},
        {"upn": "boss_deeprunner.ai#ext#@x.onmicrosoft.com"},
    ],
)
def test_a_guest_of_the_tenant_proves_an_address_by_xms_edov_alone(guest: dict[str, Any]) -> None:
    assert proven("microsoft", email=BOSS, **guest) is None
    assert proven("microsoft", email=BOSS, xms_edov=False, **guest) is None
    assert proven("microsoft", email=BOSS, xms_edov=True, **guest) == BOSS


def test_xms_edov_says_nothing_of_another_claim() -> None:
    assert proven("microsoft", preferred_username=BOSS, idp=OTHER, xms_edov=True) is None
    assert proven("microsoft", name="mail", mail=BOSS, idp=OTHER, xms_edov=True) is None


def test_a_member_of_the_tenant_proves_what_the_tenant_wrote() -> None:
    assert proven("microsoft", email=BOSS) == BOSS
    for home in (ENTRA, f"https://sts.windows.net/{TENANT}/"):
        assert proven("microsoft", email=BOSS, idp=home, acct=0) == BOSS
    for home in ("live.com", "google.com", "mail", "", f"https://sts.windows.net/{TENANT[:-1]}2/"):
        assert proven("microsoft", email=BOSS, idp=home) is None
    assert proven("microsoft", preferred_username=BOSS) == BOSS
    assert proven("microsoft", name="secondary", secondary=BOSS) is None


def test_an_admin_may_vouch_for_a_provider_that_says_nothing_of_addresses() -> None:
    assert proven("generic", is_trusted=True, email=BOSS) == BOSS
    assert proven("generic", is_trusted=True, email=BOSS, email_verified=False) is None
    assert proven("google", is_trusted=True, email=BOSS, hd="x") is None
    assert proven("microsoft", is_trusted=True, email=BOSS, idp=OTHER) is None


@pytest.mark.parametrize("email", [None, "", "boss", 7, ["boss@deeprunner.ai"], "a@b\n.example", "a@" * 200])
def test_what_is_no_address_is_none(email: object) -> None:
    found = address_of("generic", {"email": email, "email_verified": True}, "https://login.example")
    assert found == EmailAddress()


def test_what_userinfo_says_of_another_address_is_left_out() -> None:
    told = {"sub": "x", "email": "eve@evil.example", "email_verified": True}
    assert joined({"sub": "x", "email": BOSS}, told) == {"sub": "x", "email": BOSS}
    assert joined({"sub": "x", "email": BOSS}, {**told, "email": BOSS})["email_verified"] is True
    assert "email_verified" not in joined({"email_verified": True}, {"email": BOSS})
    assert joined({"sub": "x"}, told) == told


def test_a_subject_is_the_issuers_or_the_tenants() -> None:
    assert subject_of("generic", {"sub": "ada"}, "https://login.example").key == "https://login.example|ada"
    claims = {"sub": "pairwise", "tid": TENANT.upper(), "oid": "oid-ada"}
    assert subject_of("microsoft", claims, ENTRA, TENANT).key == f"{TENANT}:oid-ada"
    for wrong in ({"tid": "another"}, {"tid": None}, {"oid": None}, {"oid": ""}, {"sub": None}):
        with pytest.raises(SignInFailed):
            subject_of("microsoft", {**claims, **wrong}, ENTRA, TENANT)


@pytest.mark.parametrize(
    ("issuer", "kind", "tenant"),
    [
        (ENTRA, "microsoft", TENANT),
        (f"https://sts.windows.net/{TENANT}/", "microsoft", TENANT),
        (f"https://evil.example/login.microsoftonline.com/{TENANT}/v2.0", "generic", TENANT),
        (f"https://login.microsoftonline.com.evil.example/{TENANT}/v2.0", "generic", TENANT),
        ("https://accounts.google.com", "generic", ""),
        ("not an address", "generic", "not an address"),
    ],
)
def test_an_issuer_is_entras_by_its_host(issuer: str, kind: str, tenant: str) -> None:
    assert (kind_of(issuer), tenant_of(issuer)) == (kind, tenant)
