"""Answers in memory: what is kept, what leaves, and that no bound is ever exceeded."""

from hypothesis import given
from hypothesis import strategies as st

from functions.ports.cache import KeptAnswer
from runtime.cache.memory import ENTRY_BYTES, MemoryCache


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def cache(*, max_entries: int = 100, max_bytes: int = 10**6) -> tuple[MemoryCache, Clock]:
    clock = Clock()
    found = MemoryCache(clock)
    found.bound(max_entries=max_entries, max_bytes=max_bytes)
    return found, clock


def answer(size: int = 1) -> KeptAnswer:
    return KeptAnswer(b"x" * size, 0.0)


def test_an_answer_is_gone_when_its_time_is_over() -> None:
    memory, clock = cache()
    memory.put("a", answer(), ttl_s=10)
    clock.now_s = 9.9
    assert memory.get("a") == answer()
    clock.now_s = 10.0
    assert memory.get("a") is None
    assert (len(memory), memory.size) == (0, 0)


def test_the_answer_that_was_not_asked_for_longest_leaves_first() -> None:
    memory, _ = cache(max_entries=2)
    memory.put("a", answer(), ttl_s=10)
    memory.put("b", answer(), ttl_s=10)
    assert memory.get("a") is not None
    memory.put("c", answer(), ttl_s=10)
    assert [memory.get(key) is not None for key in "abc"] == [True, False, True]


def test_an_answer_that_is_longer_than_everything_is_not_kept_and_pushes_nothing_out() -> None:
    memory, _ = cache(max_bytes=ENTRY_BYTES * 3)
    memory.put("a", answer(), ttl_s=10)
    memory.put("b", answer(ENTRY_BYTES * 3), ttl_s=10)
    assert memory.get("a") is not None
    assert memory.get("b") is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from("abcde"), st.integers(0, 3 * ENTRY_BYTES), st.sampled_from(["put", "delete", "get"])
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 4), st.integers(1, 6 * ENTRY_BYTES))
def test_no_bound_is_ever_exceeded(steps: list[tuple[str, int, str]], entries: int, size: int) -> None:
    memory, clock = cache(max_entries=entries, max_bytes=size)
    for key, length, what in steps:
        clock.now_s += 1
        if what == "put":
            memory.put(key, answer(length), ttl_s=5)
        elif what == "delete":
            memory.delete(key)
        else:
            memory.get(key)
        assert len(memory) <= entries
        assert memory.size <= size
    memory.bound(max_entries=0, max_bytes=0)
    assert (len(memory), memory.size) == (0, 0)
