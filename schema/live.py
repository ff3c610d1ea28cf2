"""What happens now: calls in flight, and rows just booked. Also what workers tell each other of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from schema.reports import Query

MAX_PAYLOAD = 7_000
"""Bytes of one announcement. Postgres allows 8000."""
MAX_TEXT = 200
"""A call with a longer id or name than this is counted, and not listed."""


class LiveQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /live/events and GET /live/calls."""


class LiveCall(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt at a provider that has not ended yet."""

    request_id: str
    started_at: datetime
    """When the call was received, UTC."""
    model: str
    """The public name."""
    provider: str
    deployment_id: str
    api_key: str
    """The key's hash."""
    key_alias: str | None
    user_id: str
    team_id: str | None
    organization_id: str | None
    streamed: bool
    attempt: int = 1
    """Which of its call's attempts it is."""


class LiveCalls(msgspec.Struct, frozen=True, kw_only=True):
    """The calls in flight on all workers that the caller may see, oldest first."""

    calls: list[LiveCall]
    unlisted: int = 0
    """How many calls more there are. Only who sees all calls is told."""


class LiveRows(msgspec.Struct, frozen=True, kw_only=True):
    """The event `rows`: so many rows were booked just now that the caller may see."""

    rows: int


class PagesOpen(msgspec.Struct, frozen=True, array_like=True, tag="w"):
    """Pages are open at a worker: all workers tell for a while which calls they have in flight."""

    worker: str


CallTold = tuple[str, float, str, str, str, str, str | None, str, str | None, str | None, bool, int]
"""The fields of LiveCall, with the time as seconds since 1970."""


class InFlight(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """The calls that a worker has in flight. The first part takes the place of what was told before, and
    further parts are added to it."""

    worker: str
    part: int
    unlisted: int
    calls: list[CallTold]


class RowsBooked(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Rows were booked: how many of each owner (user, key's hash, team, organization)."""

    owners: list[tuple[str, str, str, str, int]]
    others: int = 0
    """Rows whose owners are not listed."""


News = PagesOpen | InFlight | RowsBooked
_decoder = msgspec.json.Decoder(News)


def read_news(payload: str) -> News | None:
    """What an announcement says. None for a text that no version of the gateway writes."""
    try:
        news: News = _decoder.decode(payload)
    except msgspec.DecodeError:
        return None
    return news


def booked_news(owners: Sequence[tuple[str, str, str, str, int]], *, most: int) -> list[str]:
    """At most `most` announcements of booked rows. Rows that have no room in them are counted as others."""
    pieces: list[list[tuple[str, str, str, str, int]]] = [[]]
    size, others = 0, 0
    for owner in owners:
        length = len(msgspec.json.encode(owner)) + 1
        if length > MAX_PAYLOAD // 2 or (size + length > MAX_PAYLOAD and len(pieces) == most):
            others += owner[-1]
            continue
        if size + length > MAX_PAYLOAD:
            pieces.append([])
            size = 0
        pieces[-1].append(owner)
        size += length
    last = len(pieces) - 1
    return [
        msgspec.json.encode(RowsBooked(piece, others if place == last else 0)).decode()
        for place, piece in enumerate(pieces)
        if piece or others
    ]


def in_flight_news(worker: str, calls: Sequence[LiveCall], *, most: int) -> list[str]:
    """At most `most` announcements of a worker's calls in flight; at least one, since that there are none is
    news too."""
    pieces: list[InFlight] = []
    listed: list[CallTold] = []
    size, count = 0, 0
    for call in calls:
        told = _told(call)
        length = len(msgspec.json.encode(told)) + 1
        if any(isinstance(text, str) and len(text) > MAX_TEXT for text in told):
            continue
        if size + length > MAX_PAYLOAD:
            if len(pieces) + 1 == most:
                break
            pieces.append(InFlight(worker, len(pieces), 0, listed))
            listed, size = [], 0
        listed.append(told)
        size, count = size + length, count + 1
    pieces.append(InFlight(worker, len(pieces), len(calls) - count, listed))
    return [msgspec.json.encode(piece).decode() for piece in pieces]


def calls_of(news: InFlight) -> Iterator[LiveCall]:
    """The calls that an announcement lists."""
    for told in news.calls:
        fields = dict(zip(LiveCall.__struct_fields__, told, strict=True))
        yield msgspec.convert(fields, LiveCall, strict=False)


def _told(call: LiveCall) -> CallTold:
    return (
        call.request_id,
        call.started_at.timestamp(),
        call.model,
        call.provider,
        call.deployment_id,
        call.api_key,
        call.key_alias,
        call.user_id,
        call.team_id,
        call.organization_id,
        call.streamed,
        call.attempt,
    )
