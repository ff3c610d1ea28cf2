"""Teams take turns in a queue, and the queue is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from models_registry.routing.fair_queue import FairQueue


def drained(queue: FairQueue[str]) -> list[str]:
    found = []
    while (call := queue.next()) is not None:
        found.append(call)
    return found


def test_a_team_that_floods_waits_behind_itself() -> None:
    queue: FairQueue[str] = FairQueue(100)
    for number in range(50):
        queue.enter("flood", f"f{number}")
    queue.enter("quiet", "q0")
    queue.enter("quiet", "q1")
    assert queue.position("quiet", "q0") == 1
    assert queue.position("flood", "f49") == 51
    assert drained(queue)[:5] == ["f0", "q0", "f1", "q1", "f2"]


def test_a_call_that_had_no_luck_comes_first_again() -> None:
    queue: FairQueue[str] = FairQueue(10)
    for name in ("a", "b"):
        queue.enter(name, f"{name}0")
    queue.enter("c", "c0", first=True)
    assert drained(queue) == ["c0", "a0", "b0"]


def test_a_full_queue_lets_a_smaller_team_in() -> None:
    queue: FairQueue[str] = FairQueue(4)
    for number in range(4):
        assert queue.enter("flood", f"f{number}") is None
    assert queue.enter("flood", "f4") == "f4"
    assert queue.enter("quiet", "q0") == "f3"
    assert queue.enter("quiet", "q1") == "f2"
    assert queue.enter("quiet", "q2") == "q2"
    assert drained(queue) == ["f0", "q0", "f1", "q1"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["enter", "first", "next", "leave"])), max_size=60
    )
)
def test_nobody_is_lost_and_positions_are_true(steps: list[tuple[str, str]]) -> None:
    queue: FairQueue[int] = FairQueue(8)
    inside: dict[int, str] = {}
    for number, (team, what) in enumerate(steps):
        if what == "next":
            found = queue.next()
            assert (found is None) == (not inside)
            if found is not None:
                del inside[found]
        elif what == "leave":
            mine = [call for call, name in inside.items() if name == team]
            assert queue.leave(team, mine[0] if mine else -1) is bool(mine)
            if mine:
                del inside[mine[0]]
        else:
            out = queue.enter(team, number, first=what == "first")
            inside[number] = team
            if out is not None:
                del inside[out]
        assert len(queue) == len(inside) <= 8
    places = {call: queue.position(team, call) for call, team in inside.items()}
    order = []
    while (call := queue.next()) is not None:
        order.append(call)
    assert [places[call] for call in order] == list(range(len(order)))


def test_a_call_that_does_not_fit_keeps_its_place_and_nobody_else() -> None:
    queue: FairQueue[str] = FairQueue(10)
    for team, call in (("a", "a0 x"), ("a", "a1 y"), ("b", "b0 x"), ("c", "c0 y"), ("c", "c1 x")):
        queue.enter(team, call)
    assert queue.next(lambda call: call.endswith("y")) == "a1 y"
    assert queue.next(lambda call: call.endswith("y")) == "c0 y"
    assert queue.next(lambda call: call.endswith("y")) is None
    assert drained(queue) == ["b0 x", "a0 x", "c1 x"]
