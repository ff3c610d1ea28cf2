"""The figures of routing in a short form: what must hold whatever the machine does meanwhile."""

import pytest

from tests.long import routing_figures
from tests.long.routing_figures import Figures, main


def test_no_call_fails_while_a_provider_is_killed() -> None:
    assert list(routing_figures.kill(6).faults) == []


def test_a_team_that_asks_now_and_then_is_not_refused_beside_two_that_flood() -> None:
    found = routing_figures.fairness(30)
    assert [each for each in found.faults if "refused" in each or "at once" in each] == []


def test_no_local_call_reaches_the_cloud() -> None:
    assert list(routing_figures.residency(300, 5).faults) == []


def test_no_call_fails_while_models_change() -> None:
    assert list(routing_figures.registry(3).faults) == []


def test_slots_that_all_callers_share_are_never_exceeded() -> None:
    assert list(routing_figures.slots(10).faults) == []


def test_limits_of_a_deployment_that_all_callers_share_refuse_nobody_without_need() -> None:
    found = routing_figures.hot(3, ("slots", "rpm"))
    assert list(found.faults) == []
    assert [len(row) for row in found.rows] == [len(found.head)] * 2


def test_a_plan_has_a_figure_for_each_strategy() -> None:
    assert len(routing_figures.planning(50).rows) == len(routing_figures.STRATEGIES)


@pytest.mark.parametrize(("faults", "status"), [((), 0), (("3 calls failed",), 1)])
def test_the_program_prints_a_table_and_tells_faults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], faults: tuple[str, ...], status: int
) -> None:
    found = Figures([("calls", "7")], faults)
    monkeypatch.setattr(routing_figures, "MEASURES", {"kill": lambda: found})
    assert main(["kill"]) == status
    printed = capsys.readouterr().out
    assert "| calls | 7 |" in printed
    assert ("fault: 3 calls failed" in printed) == bool(faults)
