"""The name of a data directory in alerts."""

import socket
from pathlib import Path

from runtime.telemetry.place import NAME, id_of, place_of


def test_each_data_directory_keeps_an_id_of_its_own(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert place_of(one) == place_of(one) == f"{socket.gethostname()}/{id_of(one)}"
    assert id_of(one) != id_of(other)
    assert [path.name for path in one.iterdir()] == [NAME]
    moved = one.rename(tmp_path / "moved")
    assert id_of(moved) != id_of(other)
    assert (moved / NAME).read_text().strip() == id_of(moved)


def test_a_directory_that_can_keep_no_id_has_one_all_the_same(tmp_path: Path) -> None:
    absent, garbled = tmp_path / "absent", tmp_path / "garbled"
    garbled.mkdir()
    (garbled / NAME).write_bytes(b"\xff not an id")
    assert len({id_of(absent), id_of(garbled)}) == 2
    assert id_of(garbled) == id_of(garbled)
