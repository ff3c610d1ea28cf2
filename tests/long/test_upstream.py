"""The client for model traffic, for as long as a soak takes."""

import pytest
from hypothesis import settings

from tests.runtime.upstream import test_connection as oracle
from tests.runtime.upstream.test_pool import cancelled_anywhere


def test_fifty_thousand_calls_leave_nothing_behind() -> None:
    cancelled_anywhere(50_000)


@pytest.mark.parametrize(
    "law",
    [
        oracle.test_a_right_answer_is_read_as_h11_reads_it_however_it_is_cut,
        oracle.test_what_is_taken_for_whole_is_what_h11_takes_it_for,
        oracle.test_what_comes_behind_an_answer_ends_the_connection_and_not_the_answer,
    ],
)
def test_no_answer_is_read_in_another_way_than_h11_reads_it(law: object) -> None:
    settings(max_examples=50_000)(law)()  # type: ignore[operator]  # a test of hypothesis
