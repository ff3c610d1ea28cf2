"""Errors of Postgres as errors of ours, and which of them are trouble with Postgres itself."""

import asyncpg
import pytest

from runtime.postgres.errors import asking, reaching
from schema.errors.base import GatewayError
from schema.errors.overload import DatabaseUnavailable, Overloaded
from schema.errors.requests import InvalidRequest

STATES = (
    *("08000", "08001", "08003", "08006", "08P01", "25006", "25P03", "28000", "28P01", "3D000", "42501"),
    *("53000", "53100", "53200", "53300", "53400", "55000", "57014", "57P01", "57P02", "57P03", "57P04"),
    *("57P05", "58000", "58030", "XX000", "XX001"),
)


def error(state: str) -> asyncpg.PostgresError:
    """As asyncpg makes it of what a server says."""
    return asyncpg.PostgresError.new({"C": state, "M": "as the server says it", "S": "ERROR"})


@pytest.mark.parametrize("state", STATES)
def test_a_server_that_can_not_serve_counts_as_away_and_says_when_to_try_again(state: str) -> None:
    for around in (reaching, asking):
        with pytest.raises(DatabaseUnavailable) as caught, around():
            raise error(state)
        assert caught.value.http_status == 503
        assert caught.value.retry_after_s
        assert "as the server says it" not in caught.value.message


@pytest.mark.parametrize("exc", [TimeoutError(), ConnectionRefusedError(), asyncpg.InterfaceError("closed")])
def test_a_server_that_does_not_answer_is_away(exc: Exception) -> None:
    with pytest.raises(DatabaseUnavailable, match="can't be reached"), asking():
        raise exc


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("22021", InvalidRequest),
        ("22003", InvalidRequest),
        ("40001", Overloaded),
        ("40P01", Overloaded),
        ("55P03", Overloaded),
    ],
)
def test_what_is_about_the_question_is_no_outage(state: str, kind: type[GatewayError]) -> None:
    with pytest.raises(kind) as caught, asking():
        raise error(state)
    assert not isinstance(caught.value, DatabaseUnavailable)


def test_what_nobody_expects_stays_what_it_is() -> None:
    with pytest.raises(asyncpg.UndefinedColumnError), asking():
        raise error("42703")
