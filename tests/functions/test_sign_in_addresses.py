"""What an e-mail address of a sign-in counts for: only one that is proven is stored, selects a row, or counts
for a domain."""

from collections.abc import Iterator

import pytest

from schema.errors.callers import SignInFailed
from tests.fakes.entra import Entra, Person
from tests.functions.governed import House, in_house
from tests.functions.signing_in import furnished, sign_in, user_of

BOSS = Person(oid="oid-boss", email="admin@deeprunner.ai", name="Boss")
GUEST = Person(oid="oid-guest", email=BOSS.email, name="Guest")
OF_A_GUEST: dict[str, object] = {"idp": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"}
SET_ADMIN = (
    "UPDATE \"LiteLLM_UserTable\" SET user_role = 'proxy_admin' WHERE user_email = 'admin@deeprunner.ai'"
)


@pytest.fixture
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        yield tenant


def test_an_address_that_nobody_proved_is_not_stored_before_its_owner_comes(
    postgres_dsn: str, entra: Entra
) -> None:
    """The document's statement goes by address: it must not reach a guest who asserted it first."""

    async def scenario(house: House) -> None:
        furnished(house, entra)
        entra.wrong = OF_A_GUEST
        await sign_in(house, entra, GUEST)
        assert (await user_of(house, GUEST))["user_email"] is None
        await sign_in(house, entra, GUEST)
        assert (await user_of(house, GUEST))["user_email"] is None, "the second sign-in stored it"
        await house.database.pool.execute(SET_ADMIN)
        entra.wrong = {}
        await sign_in(house, entra, BOSS)
        await house.database.pool.execute(SET_ADMIN)
        assert (await user_of(house, BOSS))["user_role"] == "proxy_admin"
        assert (await user_of(house, GUEST))["user_role"] == "internal_user"

    in_house(postgres_dsn, scenario)


def test_a_domain_counts_by_proven_addresses_alone(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra, allowed_email_domains=["deeprunner.ai"])
        entra.wrong = OF_A_GUEST
        with pytest.raises(SignInFailed, match="verified your address"):
            await sign_in(house, entra, GUEST)
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_UserTable"') == 0
        entra.wrong = OF_A_GUEST | {"xms_edov": "1"}
        await sign_in(house, entra, GUEST)

    in_house(postgres_dsn, scenario)
