"""Nobody's input ends in a fault of the gateway: every field of every function, one at a time."""

from collections.abc import Iterator

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.hostile_values import FEW, failures, shot_at


@pytest.fixture(scope="module")
def target(
    postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with shot_at(postgres_server, migrated_template, tmp_path_factory.mktemp("hostile")) as running:
        yield running


def test_no_value_is_a_fault_of_the_gateway(target: Gateway) -> None:
    assert failures(target, FEW, ("by-openai",)) == []
    assert target.get("/health/readiness").status_code == 200


@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_a_filter_with_a_nul_is_refused(target: Gateway, kind: str) -> None:
    name = "userName" if kind == "Users" else "displayName"
    answer = target.get(f"/scim/v2/{kind}?filter={name}%20eq%20%22a%5Cu0000b%22")
    assert (answer.status_code, answer.json()["status"]) == (400, "400")
