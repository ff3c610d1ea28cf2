"""The secrets of one host: written once, each readable by its own service alone, and told to nobody."""

from pathlib import Path

import msgspec
import pytest

from runtime.commands.host_secrets import sign_in_lines, write_secrets
from runtime.settings import SettingsError, checked_master_key, checked_salt_key


@pytest.fixture
def places(tmp_path: Path) -> Path:
    for name in ("data", "postgres", "pgadmin"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_secrets_are_written_once_and_kept(places: Path) -> None:
    written = write_secrets({}, places / "data", places)
    assert len(written) == 9
    first = {path: path.read_text() for path in places.rglob("*") if path.is_file()}
    assert write_secrets({"LITELLM_MASTER_KEY": "sk-another-key-of-somebody"}, places / "data", places) == []
    assert {path: path.read_text() for path in places.rglob("*") if path.is_file()} == first
    checked_master_key((places / "data" / "master.key").read_text().strip())
    checked_salt_key((places / "data" / "salt.key").read_text().strip())


def test_files_of_the_gateway_are_its_own_alone(places: Path) -> None:
    write_secrets({}, places / "data", places)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (places / "data").iterdir()}
    assert set(modes.values()) == {0o600}
    shared = [path for name in ("postgres", "pgadmin") for path in (places / name).iterdir()]
    assert {path.stat().st_mode & 0o777 for path in shared} == {0o444}


def test_each_place_has_no_secret_of_another(places: Path) -> None:
    write_secrets({}, places / "data", places)
    postgres = (places / "postgres" / "password").read_text().strip()
    pgadmin = "".join(path.read_text() for path in (places / "pgadmin").iterdir())
    assert postgres not in pgadmin
    assert (places / "data" / "master.key").read_text().strip() not in pgadmin
    assert (places / "data" / "pgpass").read_text().strip().endswith(postgres)
    servers = msgspec.json.decode((places / "pgadmin" / "servers.json").read_bytes())
    assert servers["Servers"]["1"]["Username"] == "switchgear_console"


def test_keys_of_the_environment_are_taken_at_the_first_start(places: Path) -> None:
    write_secrets({"LITELLM_MASTER_KEY": "sk-the-key-of-this-host"}, places / "data", places)
    assert (places / "data" / "master.key").read_text() == "sk-the-key-of-this-host\n"


def test_the_key_is_shown_with_pgadmins_sign_in(places: Path) -> None:
    write_secrets({}, places / "data", places)
    password = (places / "pgadmin" / "password").read_text().strip()
    assert sign_in_lines("sk-x", places / "data") == [
        "sk-x",
        f"pgAdmin: admin@switchgear.dev, password {password}",
    ]
    assert sign_in_lines("sk-x", places) == ["sk-x"]


def test_a_place_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"master\.key"):
        write_secrets({}, tmp_path / "nowhere", tmp_path)
