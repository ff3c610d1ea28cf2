"""The long form of tests/e2e/test_hostile_values.py: many values, and models of six dialects."""

from collections.abc import Iterator

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.hostile_values import MANY, failures, shot_at


@pytest.fixture(scope="module")
def target(
    postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with shot_at(postgres_server, migrated_template, tmp_path_factory.mktemp("hostile")) as running:
        yield running


def test_no_value_is_a_fault_of_the_gateway(target: Gateway) -> None:
    assert failures(target, MANY) == []
    assert target.get("/health/readiness").status_code == 200
