"""Which process may use the folder of the journals."""

import os
import tempfile
from pathlib import Path

import pytest

from runtime.blueprint import Blueprint
from runtime.ledger.journal_folder import private_folder
from runtime.serving.books_process import BooksProcess
from runtime.serving.checks import StartGate
from runtime.settings import Settings, SettingsError
from schema.secret import Secret

IS_ROOT = os.geteuid() == 0


def mode_of(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def test_a_new_folder_is_this_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private_folder(tmp_path / "data" / "journals")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "data" / "journals") == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o750, 0o770, 0o722, 0o701, 0o704, 0o710])
def test_a_folder_that_others_may_use_is_closed_and_told(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "journals"
    folder.mkdir()
    folder.chmod(mode)
    (folder / "mine").mkdir()
    private_folder(folder)
    assert mode_of(folder) == 0o700
    (said,) = caplog.messages
    assert str(folder) in said
    assert f"{mode:o}" in said


def test_a_closed_folder_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    private_folder(tmp_path / "journals")
    private_folder(tmp_path / "journals")
    assert caplog.messages == []


@pytest.mark.skipif(not IS_ROOT, reason="only root can give files away")
def test_what_another_user_put_into_an_open_folder_is_never_booked(tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    folder.mkdir()
    planted = folder / "0190c0de-0000-7000-8000-000000000001"
    planted.mkdir()
    os.chown(planted, 65534, 65534)
    folder.chmod(0o755)
    private_folder(folder)
    folder.chmod(0o777)
    settings = Settings(data_dir=tmp_path, database_url=None, master_key=None)
    blueprint = Blueprint(
        document={}, env={}, settings=settings, master_key=Secret("sk-x"), dsn=Secret("postgresql://x")
    )
    with pytest.raises(SettingsError, match=planted.name):
        BooksProcess(blueprint, StartGate())
    assert mode_of(folder) == 0o777, "it is looked at by a person first"


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_an_open_folder_of_another_user_is_refused() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "journals"
        folder.mkdir()
        for path in (folder.parent, folder):
            path.chmod(0o777)
        os.seteuid(65534)
        try:
            with pytest.raises(SettingsError, match="chmod 700"):
                private_folder(folder)
        finally:
            os.seteuid(0)


def test_a_folder_that_can_not_be_closed_is_refused(tmp_path: Path) -> None:
    class Stubborn(type(tmp_path)):  # type: ignore[misc]  # a file system that keeps no modes
        def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
            return None

    folder = Stubborn(tmp_path / "journals")
    folder.mkdir()
    Path(folder).chmod(0o777)
    with pytest.raises(SettingsError, match="does not let that be changed"):
        private_folder(folder)
