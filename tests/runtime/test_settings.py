"""What the environment says, and the key that is made when it says no key."""

import multiprocessing
from pathlib import Path

import msgspec
import pytest

from models_registry.config.reader import read_config
from runtime.serving.serve import salted, settings_errors, settings_of
from runtime.settings import SettingsError, checked_master_key, read_settings, stored_master_key

GOOD = "sk-0123456789abcdefghij"


def test_an_empty_environment_is_enough() -> None:
    settings = read_settings({})
    assert settings.database_url is None
    assert settings.master_key is None
    assert settings.data_dir == Path(".data").resolve()
    assert (settings.max_body_bytes, settings.drain_s) == (32 * 1024 * 1024, 30)


def test_each_variable_is_read() -> None:
    settings = read_settings(
        {
            "DATABASE_URL": "postgresql://ada:secret@db/x",
            "SWITCHGEAR_MASTER_KEY": GOOD,
            "SWITCHGEAR_DATA": "/somewhere",
            "SWITCHGEAR_MAX_BODY_BYTES": "1000",
            "SWITCHGEAR_DRAIN_S": "5",
        }
    )
    assert settings.database_url is not None
    assert settings.database_url.reveal() == "postgresql://ada:secret@db/x"
    assert settings.master_key is not None
    assert settings.master_key.reveal() == GOOD
    assert settings.data_dir == Path("/somewhere")
    assert (settings.max_body_bytes, settings.drain_s) == (1000, 5)
    assert "secret" not in repr(settings)
    assert GOOD not in repr(settings)


@pytest.mark.parametrize(
    ("value", "root"),
    [("/llm", "/llm"), ("llm/", "/llm"), ("/", ""), ("", ""), ("/a/b-c/", "/a/b-c"), ("//x", "/x")],
)
def test_the_root_path_has_one_slash_in_front_and_none_behind(value: str, root: str) -> None:
    assert read_settings({"SERVER_ROOT_PATH": value}).root_path == root


@pytest.mark.parametrize("value", ["/a b", "/a?x", "https://x.example/llm", "/a//b", "/ä", "/a/%2e"])
def test_a_root_path_that_is_none_is_refused_by_name(value: str) -> None:
    with pytest.raises(SettingsError, match="SERVER_ROOT_PATH"):
        read_settings({"SERVER_ROOT_PATH": value})


def cors(*origins: object) -> tuple[str, ...] | None:
    document = {"general_settings": {"master_key": GOOD, "cors_origins": list(origins)}}
    return settings_of(document, {})[0].cors_origins


def test_origins_are_read_from_the_config() -> None:
    assert cors("https://chat.example", "http://[::1]:3000", "chrome-extension://abc", "*", "null") == (
        "https://chat.example",
        "http://[::1]:3000",
        "chrome-extension://abc",
        "*",
        "null",
    )
    assert cors() == ()
    assert settings_of({"general_settings": {"master_key": GOOD}}, {})[0].cors_origins is None


@pytest.mark.parametrize(
    "origin",
    ["https://chat.example/", "chat.example", "https://*.example", "HTTPS://Chat.example", "", "https://a b"],
)
def test_an_origin_that_no_browser_sends_is_refused_by_its_path(origin: str) -> None:
    with pytest.raises(SettingsError, match=r"cors_origins\[1\]"):
        cors("https://ok.example", origin)


def test_our_name_of_the_master_key_goes_before_litellms() -> None:
    other = "sk-another-0123456789abcdef"
    both = read_settings({"SWITCHGEAR_MASTER_KEY": GOOD, "LITELLM_MASTER_KEY": other}).master_key
    alias = read_settings({"LITELLM_MASTER_KEY": other}).master_key
    assert both is not None
    assert alias is not None
    assert (both.reveal(), alias.reveal()) == (GOOD, other)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://db/x"),
        ("DATABASE_URL", "db.sqlite"),
        ("SWITCHGEAR_MASTER_KEY", "sk-1234"),
        ("SWITCHGEAR_MAX_BODY_BYTES", "0"),
        ("SWITCHGEAR_MAX_BODY_BYTES", "32MB"),
        ("SWITCHGEAR_DRAIN_S", "-1"),
        ("SWITCHGEAR_DRAIN_S", "1.5"),
        ("SWITCHGEAR_DRAIN_S", "9" * 5000),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: value})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cr/tpw@127.0.0.1/db",
        "postgresql://user:12/s3cr@127.0.0.1/db",
        "postgresql://user:s3cr?tpw@127.0.0.1/db",
        "postgresql://user:12#s3cr@127.0.0.1/db",
        "postgresql://user:s3cr@tpw@127.0.0.1/db",
        "postgresql://user:s3cr@127.0.0.1:port/db",
        "postgresql://user:s3cr@127.0.0.1:70000/db",
        "postgresql://user:s3cr@a:5432,b:x/db",
        "postgresql://user:s3cr@[::1/db",
        "postgresql://user:s3cr@[zz]/db",
        "postgresql://user:s3cr@/db?host=/tmp&port=x",
        "postgresql://user:s3cr@db/x?sslmode",
        "postgresql://user:s3cr@db/x\n",
    ],
)
def test_a_database_url_that_cannot_be_read_is_refused_without_a_part_of_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL can't be read; percent-encode") as caught:
        read_settings({"DATABASE_URL": url})
    assert not any(part in str(caught.value) for part in ("s3cr", "tpw", "user:", "127.0.0.1"))
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p%2Fw%40@127.0.0.1:5432/db?sslmode=require",
        "postgres://db/x",
        "postgresql://user@[::1]:5433/db",
        "postgresql://user:pw@one:5432,two:5433,three/db?target_session_attrs=read-write",
        "postgresql://postgres@/postgres?host=/var/run/postgres&port=5544",
        "postgresql:///db",
    ],
)
def test_a_database_url_that_asyncpg_reads_is_taken(url: str) -> None:
    found = read_settings({"DATABASE_URL": url}).database_url
    assert found is not None
    assert found.reveal() == url


@pytest.mark.parametrize("limit", [-5, 0, "0", float("nan"), ".nan", float("inf"), 10**400, 1e9, "much"])
def test_a_body_limit_that_is_none_is_refused(tmp_path: Path, limit: float | str) -> None:
    env = {"SWITCHGEAR_DATA": str(tmp_path), "SWITCHGEAR_MASTER_KEY": GOOD}
    with pytest.raises(SettingsError, match="max_request_size_mb: expected a number above zero"):
        settings_of({"general_settings": {"max_request_size_mb": limit}}, env)


def test_all_bodies_together_are_limited_too_and_never_to_less_than_one(tmp_path: Path) -> None:
    env = {"SWITCHGEAR_DATA": str(tmp_path), "SWITCHGEAR_MASTER_KEY": "sk-0123456789abcdef"}

    def limit(**general: float) -> int:
        return settings_of({"general_settings": general}, env)[0].max_bodies_bytes

    assert limit() == 2**28
    assert limit(max_request_size_mb=1, max_request_bodies_mb=3) == 3 * 2**20
    assert limit(max_request_size_mb=1000) == 1000 * 2**20
    with pytest.raises(SettingsError, match="max_request_bodies_mb: expected at least the 32"):
        limit(max_request_bodies_mb=31)


def test_a_body_limit_may_be_part_of_a_megabyte(tmp_path: Path) -> None:
    env = {"SWITCHGEAR_DATA": str(tmp_path), "SWITCHGEAR_MASTER_KEY": GOOD}
    assert settings_of({"general_settings": {"max_request_size_mb": "0.5"}}, env)[0].max_body_bytes == 2**19


@pytest.mark.parametrize("key", ["sk-1234", "sk-short", "no-prefix-0123456789abcdef", "sk-test", ""])
def test_a_key_that_can_be_guessed_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        checked_master_key(key)
    assert not key or key not in str(caught.value)


def test_a_made_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    key, is_new = stored_master_key(data)
    again, again_new = stored_master_key(data)
    assert (is_new, again_new) == (True, False)
    assert key.reveal() == again.reveal()
    assert checked_master_key(key.reveal()).reveal() == key.reveal()
    assert (data / "master.key").stat().st_mode & 0o777 == 0o600
    assert data.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in data.iterdir()] == ["master.key"]


def test_each_data_directory_has_a_key_of_its_own(tmp_path: Path) -> None:
    keys = {stored_master_key(tmp_path / str(number))[0].reveal() for number in range(5)}
    assert len(keys) == 5


def test_a_spoiled_key_file_is_refused_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text("\n")
    with pytest.raises(SettingsError):
        stored_master_key(tmp_path)
    assert (tmp_path / "master.key").read_text() == "\n"


def _make(data: str, start: "multiprocessing.synchronize.Barrier") -> tuple[str, bool]:
    start.wait(30)
    key, is_new = stored_master_key(Path(data))
    return key.reveal(), is_new


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(4) as pool:
        start = manager.Barrier(4)
        made = pool.starmap(_make, [(str(tmp_path / "data"), start)] * 4, chunksize=1)
    assert len({key for key, _ in made}) == 1
    assert sum(is_new for _, is_new in made) == 1


@pytest.mark.parametrize("token", ["short", "sk-short", "0123456789abcdef0123"])
def test_a_metrics_token_is_as_long_as_a_key(token: str) -> None:
    with pytest.raises(SettingsError, match="SWITCHGEAR_METRICS_TOKEN: expected `sk-` and at least 16"):
        read_settings({"SWITCHGEAR_METRICS_TOKEN": token})


@pytest.mark.parametrize("name", ["max_upstream_connections", "max_upstream_connections_per_host"])
def test_connections_to_providers_are_limited_as_the_config_says(tmp_path: Path, name: str) -> None:
    env = {"SWITCHGEAR_DATA": str(tmp_path), "SWITCHGEAR_MASTER_KEY": GOOD}
    field = name.removeprefix("max_")
    plain, _, _ = settings_of({}, env)
    limited, _, _ = settings_of({"general_settings": {name: 7}}, env)
    assert getattr(limited, field) == 7
    assert msgspec.structs.replace(limited, **{field: getattr(plain, field)}) == plain
    for wrong in (0, 65_537):
        with pytest.raises(SettingsError, match=f"{name}: expected a number of connections"):
            settings_of({"general_settings": {name: wrong}}, env)


SALT = "sk-a-salt-key-of-some-length"


def test_the_salt_key_is_made_once_beside_the_master_key(tmp_path: Path) -> None:
    env = {"SWITCHGEAR_DATA": str(tmp_path), "SWITCHGEAR_MASTER_KEY": GOOD}
    settings, _, _ = settings_of({}, env)
    assert settings.salt_key is None, "no command but a start makes one"
    made, again = salted(settings).salt_key, salted(settings).salt_key
    assert made is not None
    assert again is not None
    assert made.reveal() == again.reveal()
    assert len(made.reveal()) > 40
    path = tmp_path / "salt.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["salt.key"]


def test_no_salt_key_is_made_for_an_outside_database(tmp_path: Path) -> None:
    env = {
        "SWITCHGEAR_DATA": str(tmp_path),
        "SWITCHGEAR_MASTER_KEY": GOOD,
        "DATABASE_URL": "postgresql://ada:secret@db/x",
    }
    settings, _, _ = settings_of({}, env)
    assert salted(settings).salt_key is None
    (tmp_path / "salt.key").write_text(f"{SALT}\n")
    found = salted(settings).salt_key
    assert found is not None
    assert found.reveal() == SALT


@pytest.mark.parametrize("name", ["SWITCHGEAR_SALT_KEY", "LITELLM_SALT_KEY"])
def test_the_environment_has_the_salt_key(tmp_path: Path, name: str) -> None:
    env = {"SWITCHGEAR_DATA": str(tmp_path), "SWITCHGEAR_MASTER_KEY": GOOD, name: SALT}
    found = salted(settings_of({}, env)[0])
    assert found.salt_key is not None
    assert found.salt_key.reveal() == SALT
    assert SALT not in repr(found)
    assert not (tmp_path / "salt.key").exists()


@pytest.mark.parametrize("key", ["sk-1234", "short", "sk-123456789012"])
def test_a_salt_key_that_can_be_guessed_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match="SWITCHGEAR_SALT_KEY") as refused:
        read_settings({"SWITCHGEAR_SALT_KEY": key})
    assert key not in str(refused.value)
    (tmp_path / "salt.key").write_text(key)
    env = {"SWITCHGEAR_DATA": str(tmp_path), "SWITCHGEAR_MASTER_KEY": GOOD}
    with pytest.raises(SettingsError, match=r"salt\.key"):
        salted(settings_of({}, env)[0])
    (found,) = settings_errors(read_config({}, env))
    assert "salt.key" in found
    assert (tmp_path / "salt.key").read_text() == key
