"""A journal on disk: each record that was appended is read whole and once, also after its worker has died."""

import asyncio
import errno
import os
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.books.reader import JournalReader, ReadPlace, UnreadableJournal, is_abandoned
from runtime.ledger.frames import (
    FRAME,
    HEADER,
    MAX_PAYLOAD_BYTES,
    SEGMENT_BYTES,
    FrameKind,
    Newer,
    TooLarge,
    Torn,
    frame,
    frames,
)
from runtime.ledger.journal import ENDING_BYTES, SPARE_BYTES, Journal, Segment
from runtime.ledger.progress import PROGRESS
from schema.ledger.journal import Held, Settled, row_of, unsettled
from schema.ledger.rows import Outcome, SpendRow
from tests.runtime.attempts import RECEIVED_AT, ROW, make_held, make_row, make_settled

LATER = RECEIVED_AT + timedelta(seconds=9)


def die(journal: Journal) -> None:
    """As a killed process does: its lock is gone, what it appended stays."""
    os.close(journal._lock)


def read_all(reader: JournalReader) -> list[SpendRow]:
    rows: list[SpendRow] = []
    while entries := reader.read(100).entries:
        rows += [entry.row for entry in entries]
    return rows


def fill_segment(journal: Journal) -> int:
    """Attempts, one after the other, until the next segment has begun; gives how many."""
    number, count = journal._segment.number, 0
    while journal._segment.number == number:
        journal.hold(make_held(f"fill-{number}-{count}"))
        journal.settle(make_settled(f"fill-{number}-{count}"))
        count += 1
    return count


def test_a_hold_and_its_end_make_the_row(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.hold(make_held())
    reader = JournalReader(journal.folder, None)
    assert read_all(reader) == [], "it has not ended"
    journal.settle(make_settled())
    assert read_all(reader) == [ROW]
    assert reader.open == []


def test_records_are_read_as_they_are_written_and_a_refusal_needs_no_hold(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = JournalReader(journal.folder, None)
    journal.leases_as("worker-1")
    for number in range(3):
        row = make_row(f"req-{number}", outcome=Outcome.REFUSED)
        journal.put(row)
        assert read_all(reader) == [row]
    assert reader.workers == {"worker-1"}


def test_what_was_under_way_when_the_writer_died_is_charged_at_its_ceiling(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.hold(make_held("req-done"))
    journal.hold(make_held("req-open"))
    journal.settle(make_settled("req-done"))
    assert not is_abandoned(journal.folder)
    die(journal)
    assert is_abandoned(journal.folder)
    reader = JournalReader(journal.folder, None)
    assert [row.request_id for row in read_all(reader)] == ["req-done"]
    (row,) = reader.unsettled_rows(LATER)
    assert (row.request_id, row.outcome, row.estimated) == ("req-open", Outcome.UNCERTAIN, True)
    assert (row.cost_nano, row.prompt_tokens, row.completion_tokens) == (34_000_000, 1_000, 4_000)
    assert row.duration_ms == 9_000


def test_a_torn_record_is_cut_off_and_what_stands_before_it_is_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.hold(make_held("req-1"))
    journal.settle(make_settled("req-1"))
    whole = frame(FrameKind.HELD, make_held("req-2"))
    journal._segment.write(whole[: len(whole) // 2])
    die(journal)
    reader = JournalReader(journal.folder, None)
    assert [row.request_id for row in read_all(reader)] == ["req-1"]
    assert reader.tail_bytes() > 0
    assert not reader.skip_damage()
    assert reader.unsettled_rows(LATER) == []


def test_a_record_that_is_still_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.hold(make_held())
    reader = JournalReader(journal.folder, None)
    data = frame(FrameKind.SETTLED, make_settled())
    begin = journal._segment.position
    journal._segment.write(data[:-5])
    assert read_all(reader) == []
    journal._segment.position = begin
    journal._segment.write(data)
    assert read_all(reader) == [ROW]


def test_the_next_segment_says_again_what_is_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.leases_as("worker-1")
    journal.hold(make_held("req-long"))
    count = fill_segment(journal)
    follower = JournalReader(journal.folder, None)
    assert len(read_all(follower)) == count
    journal.settle(make_settled("req-long"))
    assert [row.request_id for row in read_all(follower)] == ["req-long"]
    (journal.folder / "00000000.journal").unlink()
    late = JournalReader(journal.folder, None)
    rows = [row.request_id for row in read_all(late)]
    assert rows[-1] == "req-long"
    assert len(rows) <= 2, "of the others, at most the one whose end crossed over"
    assert late.workers == {"worker-1"}


@pytest.mark.parametrize("after", [0, 1, 5])
def test_reading_goes_on_from_any_place_that_was_booked(tmp_path: Path, after: int) -> None:
    journal = Journal(tmp_path)
    journal.hold(make_held("req-open"))
    for number in range(6):
        journal.hold(make_held(f"req-{number}"))
        journal.settle(make_settled(f"req-{number}"))
    first = JournalReader(journal.folder, None)
    place = first.read(after).end if after else ReadPlace(0, HEADER.size)
    second = JournalReader(journal.folder, place)
    assert [row.request_id for row in read_all(second)] == [f"req-{number}" for number in range(after, 6)]
    assert [held.request_id for held in second.open] == ["req-open"]


def test_a_place_that_is_no_record_s_end_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.hold(make_held())
    with pytest.raises(UnreadableJournal, match="no record that ends at 21"):
        JournalReader(journal.folder, ReadPlace(0, 21))


def spoil(journal: Journal, begin: int) -> None:
    """Damage the record that begins at a byte."""
    journal._segment.data[begin + 20 : begin + 24] = b"\xff\xff\xff\xff"


@pytest.mark.parametrize("again", [False, True])
def test_a_damaged_record_is_lost_alone_and_what_was_open_is_charged_at_its_ceiling(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, again: bool
) -> None:
    """Read at once, or by a bookkeeper that was started anew behind the damage."""
    journal = Journal(tmp_path)
    journal.hold(make_held("req-before"))
    begin = journal._segment.position
    journal.settle(make_settled("req-before"))
    spoil(journal, begin)
    journal.put(make_row("req-behind"))
    place = ReadPlace(0, journal._segment.position)
    fill_segment(journal)
    journal.hold(make_held("req-after"))
    journal.settle(make_settled("req-after"))
    die(journal)
    reader = JournalReader(journal.folder, place if again else None)
    rows = {row.request_id: row.outcome for row in read_all(reader)}
    if not again:
        assert rows == {}
        assert reader.skip_damage()
        rows = {row.request_id: row.outcome for row in read_all(reader)}
        assert rows["req-behind"] is Outcome.OK
        assert "records are lost in segment 0 from byte" in caplog.text
        assert (tmp_path / f"damaged-{journal.name}" / "00000000.journal").exists()
    assert rows["req-before"] is Outcome.UNCERTAIN
    assert rows["req-after"] is Outcome.OK
    assert not reader.skip_damage()


def test_a_segment_that_a_loss_of_power_took_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path)
    journal.hold(make_held("req-before"))
    fill_segment(journal)
    spoiled = journal._segment
    fill_segment(journal)
    spoiled.path.write_bytes(bytes(spoiled.path.stat().st_size))
    journal.put(make_row("req-after"))
    die(journal)
    reader = JournalReader(journal.folder, None)
    before = read_all(reader)
    assert before != []
    assert reader.skip_damage()
    assert "req-after" in {row.request_id for row in read_all(reader)}
    assert [held.request_id for held in reader.open] == ["req-before"]
    assert "all of the next one" in caplog.text


def test_a_next_segment_that_can_not_be_opened_just_now_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    count = fill_segment(journal)
    journal.put(make_row("req-last"))
    reader = JournalReader(journal.folder, None)

    def too_many(path: object, flags: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", too_many)
        with pytest.raises(OSError, match="Too many"):
            read_all(reader)
    assert reader.place.segment == 0
    rows = read_all(JournalReader(journal.folder, None))
    assert len(rows) == len({row.request_id for row in rows}) == count + 1


def test_a_record_of_a_later_version_is_left_to_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    payload = bytes([99]) + b"something"
    journal._append(FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
    with pytest.raises(Newer, match="kind 99"):
        read_all(JournalReader(journal.folder, None))


def test_a_record_that_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    position = journal._segment.position
    with pytest.raises(TooLarge):
        journal.hold(make_held(team_id="x" * MAX_PAYLOAD_BYTES))
    assert journal._segment.position == position
    assert not journal._open


def test_a_journal_whose_progress_was_lost_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.put(make_row())
    die(journal)
    (journal.folder / PROGRESS).write_bytes(b"")
    assert len(read_all(JournalReader(journal.folder, None))) == 1


def test_a_writer_that_died_while_it_turned_over_lost_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path)
    journal.hold(make_held("req-open"))
    following = Segment(journal.folder, 1)
    for data in journal._open.values():
        following.write(data)
    die(journal)
    reader = JournalReader(journal.folder, None)
    assert read_all(reader) == []
    assert not reader.skip_damage()
    assert [row.request_id for row in reader.unsettled_rows(LATER)] == ["req-open"]
    assert caplog.text == ""


def test_too_much_that_waits_for_postgres_refuses_new_calls_and_takes_the_ends_of_old_ones(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path, max_bytes=2 * SEGMENT_BYTES)
    journal.hold(make_held("req-open"))
    for _ in range(2):
        assert not journal.full
        fill_segment(journal)
    assert journal.full
    journal.settle(make_settled("req-open"))
    journal._progress.put(journal._rows, 2)
    assert not journal.full
    assert (journal.waiting_rows, journal.waiting_bytes) == (0, journal._segment.position)


def test_a_full_disk_refuses_new_calls_and_takes_the_ends_of_all_that_are_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full from the second segment on; the first one is used up to what is owed."""
    journal = Journal(tmp_path)

    def no_room(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    count = 0
    while not journal.full:
        journal.hold(make_held(f"req-{count}", user_agent="x" * 400))
        count += 1
    assert journal._segment.room >= count * ENDING_BYTES
    longest = "\N{SNOWMAN}" * 500
    for number in range(count):
        journal.settle(make_settled(f"req-{number}", error_message=longest, error_class="E" * 80))
    assert len(read_all(JournalReader(journal.folder, None))) == count
    monkeypatch.undo()
    journal._no_room_mono = float("-inf")
    assert not journal.full
    assert list(journal.folder.glob("*.new")) == [], "what had no room left nothing"


def test_so_many_calls_under_way_that_a_segment_could_not_say_them_all_are_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    held = make_held(user_agent="x" * 500)
    size = len(frame(FrameKind.HELD, held))
    count = 0
    while not journal.full:
        journal.hold(make_held(f"req-{count:06d}", user_agent="x" * 500))
        count += 1
    assert count * (size + 20) < SEGMENT_BYTES - SPARE_BYTES
    assert count > 2_000


def test_closing_leaves_a_journal_that_is_whole(tmp_path: Path) -> None:
    async def run() -> Path:
        journal = Journal(tmp_path, sync_s=0.01)
        journal.start()
        journal.hold(make_held())
        fill_segment(journal)
        journal.settle(make_settled())
        await asyncio.sleep(0.05)
        await journal.close()
        return journal.folder

    folder = asyncio.run(run())
    assert is_abandoned(folder)
    reader = JournalReader(folder, None)
    assert read_all(reader)[-1] == ROW
    assert reader.open == []
    assert [path.name for path in folder.glob("*.journal")] != []
    reader.close()


@given(st.lists(st.sampled_from(["hold", "settle", "put"]), max_size=40), st.integers(0, 4_000))
def test_any_cut_leaves_exactly_the_records_before_it(steps: list[str], cut: int) -> None:
    """Wherever a write is cut off, what was whole before is there, and nothing is made up."""
    data, ends, opened = bytearray(), [], 0
    for number, step in enumerate(steps):
        if step == "settle" and opened:
            opened -= 1
            data += frame(FrameKind.SETTLED, make_settled(f"req-{opened}"))
        elif step == "put":
            data += frame(FrameKind.ROW, make_row(f"put-{number}"))
        else:
            data += frame(FrameKind.HELD, make_held(f"req-{opened}"))
            opened += 1
        ends.append(len(data))
    cut = min(cut, len(data))
    buffer = memoryview(bytes(data[:cut]) + bytes(4_096))
    found = []
    try:
        found = [each.end for each in _until_torn(buffer)]
    except Torn:  # pragma: no cover
        pytest.fail("only the last record can be torn")
    assert found == [end for end in ends if buffer[:end] == data[:end]]  # a record may end in zeros


def _until_torn(buffer: memoryview) -> list:  # type: ignore[type-arg]
    found = []
    try:
        for each in frames(buffer, 0):
            found.append(each)
    except Torn:
        pass
    return found


RECORDS: tuple[tuple[FrameKind, Callable[[], Held | Settled | SpendRow]], ...] = (
    (FrameKind.HELD, make_held),
    (FrameKind.SETTLED, make_settled),
    (FrameKind.ROW, make_row),
)


@pytest.mark.parametrize(("kind", "make"), RECORDS, ids=[kind.name for kind, _ in RECORDS])
def test_a_record_is_read_as_it_was_written(
    kind: FrameKind, make: Callable[[], Held | Settled | SpendRow]
) -> None:
    (found,) = frames(memoryview(frame(kind, make()) + bytes(8)), 0)
    assert (found.kind, found.record) == (kind, make())


def test_fields_stand_where_earlier_versions_wrote_them() -> None:
    """A journal is read by a later version than wrote it: new fields go to the end."""
    assert Held.__struct_fields__[:23] == (
        "request_id", "call_id", "call_type", "key_hash", "key_id", "key_alias", "user_id", "team_id",
        "organization_id", "end_user", "requester_ip", "user_agent", "model_group", "model", "model_id",
        "provider", "api_base", "started_at", "streamed", "price_source", "bound", "ceiling_nano", "charges",
    )  # fmt: skip
    assert Settled.__struct_fields__[:10] == (
        "request_id", "first_token_at", "ended_at", "duration_ms", "usage", "cost_nano", "outcome",
        "http_status", "error_class", "error_message",
    )  # fmt: skip


def test_attempts_of_one_call_have_rows_of_their_own(tmp_path: Path) -> None:
    """Also where the worker dies at the second, and where the first one's end is damaged."""
    journal = Journal(tmp_path)
    journal.hold(make_held("call"))
    journal.settle(make_settled("call", final=False, outcome=Outcome.UNCERTAIN, cost_nano=5))
    journal.hold(make_held("call", attempt=2, model="second"))
    reader = JournalReader(journal.folder, None)
    (first,) = reader.read(10).entries
    assert (first.row.request_id, first.row.final, first.row.cost_nano) == ("call-a1", False, 5)
    (second,) = reader.unsettled_rows(RECEIVED_AT)
    assert (second.request_id, second.final, second.model) == ("call", True, "second")
    journal.settle(make_settled("call", attempt=2))
    (ended,) = reader.read(10).entries
    assert (ended.row.request_id, ended.row.model) == ("call", "second")


def test_an_unsettled_attempt_never_ends_before_it_began() -> None:
    held = make_held(started_at=datetime(2027, 1, 1, tzinfo=UTC))
    row = row_of(held, unsettled(held, LATER))
    assert (row.ended_at, row.duration_ms) == (held.started_at, 0)
