"""What workers tell each other of calls and rows fits into an announcement, and comes back as it was."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schema.live import (
    MAX_PAYLOAD,
    InFlight,
    LiveCall,
    PagesOpen,
    RowsBooked,
    booked_news,
    calls_of,
    in_flight_news,
    read_news,
)

BEGAN = datetime(2026, 11, 30, 12, tzinfo=UTC)
TEXTS = st.text(max_size=300)
OWNERS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS, st.integers(1, 1_000)), max_size=80)


def live_call(number: int, **more: object) -> LiveCall:
    facts = {
        "request_id": f"call-{number}",
        "started_at": BEGAN + timedelta(milliseconds=number),
        "model": "gpt",
        "provider": "openai",
        "deployment_id": "d1",
        "api_key": "a" * 64,
        "key_alias": None,
        "user_id": "ada",
        "team_id": "red",
        "organization_id": None,
        "streamed": True,
        "attempt": 1 + number % 3,
    }
    return LiveCall(**(facts | more))  # type: ignore[arg-type]  # a test names fields by their values


@given(OWNERS, st.integers(1, 4))
def test_no_booked_row_is_lost_and_no_announcement_is_too_long(
    owners: list[tuple[str, str, str, str, int]], most: int
) -> None:
    payloads = booked_news(owners, most=most)
    assert len(payloads) <= most
    told = [read_news(payload) for payload in payloads]
    assert all(len(payload.encode()) <= MAX_PAYLOAD + 100 for payload in payloads)
    counted = 0
    for news in told:
        assert isinstance(news, RowsBooked)
        counted += news.others + sum(owner[-1] for owner in news.owners)
    assert counted == sum(owner[-1] for owner in owners)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=120), st.integers(1, 8))
def test_calls_come_back_as_they_were_or_are_counted(found: list[tuple[str, str]], most: int) -> None:
    calls = [live_call(number, user_id=user, model=model) for number, (user, model) in enumerate(found)]
    payloads = in_flight_news("w1", calls, most=most)
    assert 1 <= len(payloads) <= most
    listed: list[LiveCall] = []
    unlisted = 0
    for part, payload in enumerate(payloads):
        assert len(payload.encode()) <= MAX_PAYLOAD + 100
        news = read_news(payload)
        assert isinstance(news, InFlight)
        assert (news.worker, news.part) == ("w1", part)
        listed += calls_of(news)
        unlisted += news.unlisted
    assert len(listed) + unlisted == len(calls)
    known = {call.request_id: call for call in calls}
    assert all(known[call.request_id] == call for call in listed)


def test_a_worker_without_calls_says_so() -> None:
    (payload,) = in_flight_news("w1", [], most=8)
    assert read_news(payload) == InFlight("w1", 0, 0, [])


def test_what_is_no_news_is_none() -> None:
    assert read_news('["w","w1"]') == PagesOpen("w1")
    assert [read_news(text) for text in ("", "{}", '["x"]', '["c","w1"]', "all")] == [None] * 5
