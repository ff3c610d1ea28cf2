"""What a call costs, counted: nothing else on the machine changes the figure."""

import pytest

from tests.bench.instructions import TOLERANCE, UPDATE, NoValgrind, build, counted, known


def test_a_call_costs_the_instructions_that_are_written_down() -> None:
    expected = known().get(build())
    if expected is None:
        pytest.skip(f"no count is written down for this build ({build()}); {UPDATE} writes one")
    try:
        found = counted()
    except NoValgrind as exc:
        pytest.skip(str(exc))
    assert abs(found - expected) <= expected * TOLERANCE, (
        f"a plain call costs {found} instructions; written down are {expected}. If that is meant: {UPDATE}"
    )
