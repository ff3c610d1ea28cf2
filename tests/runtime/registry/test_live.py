"""The registry in force: it follows the config file and what is stored, as a whole or not at all."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from models_registry.config.stored import Stored, StoredModel
from runtime.config_file import load_files
from runtime.postgres.database import Database
from runtime.registry import live as module
from runtime.registry.hosts import HostConfigs
from runtime.registry.live import newly_skipped
from runtime.registry.stored_rows import StoredRows
from runtime.registry.stored_rows import read_at_once as read_stored
from runtime.state.sealing import Sealer
from schema.errors.overload import DatabaseUnavailable
from schema.secret import Secret
from tests.fakes.certificates import self_signed
from tests.functions.contexts import make_call
from tests.functions.registered import KEY, PARAMS, SALT_KEY, Registered

SOON_S, PAUSE_S = 20.0, 0.005
Scenario = Callable[[Database], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    monkeypatch.setattr(module, "SETTLE_S", 0.01)


def entry(name: str, model: str = "openai/x", **more: Any) -> dict[str, Any]:
    params = {"model": model, "api_base": "http://gpu/v1", "api_key": "none"}
    return {"model_name": name, "litellm_params": params, **more}


def write(path: Path, *entries: dict[str, Any], **more: Any) -> None:
    general = {"store_model_in_db": True}
    path.write_text(yaml.safe_dump({"model_list": list(entries), **({"general_settings": general} | more)}))


def run(dsn: str, scenario: Scenario) -> None:
    async def whole() -> None:
        database = await Database.connect(dsn)
        try:
            await scenario(database)
        finally:
            await database.close()

    asyncio.run(whole())


async def following(database: Database, path: Path, **more: Any) -> Registered:
    """A registry that follows a file."""
    document = load_files(path).document
    found = Registered(database, document, sealer=Sealer(SALT_KEY), config_path=path, **more)
    await found.live.start()
    return found


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is true that nothing announces."""
    for _ in range(int(SOON_S / PAUSE_S)):
        if condition():
            return
        await asyncio.sleep(PAUSE_S)
    raise AssertionError(f"{what} did not come")


def knows(found: Registered, name: str) -> bool:
    return found.models.registry.knows(name)


async def store(found: Registered, name: str, **params: Any) -> None:
    """Store a model, as the API does."""
    model = StoredModel(model_id=name, model_name=name, litellm_params={**PARAMS, **params})

    def change(stored: Stored) -> Stored:
        return Stored(models=(*stored.models, model), router_settings=stored.router_settings)

    await found.editor.change(change, call=make_call())


def test_a_file_with_other_bytes_is_in_force_in_a_moment(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        before = found.models.registry
        write(path, entry("one"), entry("two"))
        await until(lambda: knows(found, "two"), "the new file")
        assert not before.knows("two"), "a call under way keeps the registry that it began with"
        assert found.live.in_force.file_hash == load_files(path).hash
        write(path, entry("two"))
        await until(lambda: not knows(found, "one"), "the third file")
        await found.live.close()

    run(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "text",
    [
        "model_list: [",
        "model_list: 5",
        "model_list: [{model_name: two}]",
        "model_list: [{model_name: two, litellm_params: {model: nosuch/x}}]",
        "model_list: [{model_name: one, litellm_params: {model: openai/x, input_cost_per_token: -1}}]",
        "router_settings: {num_retries: many}",
        "include: [nosuch.yaml]",
        "a: 1\na: 2",
    ],
)
def test_a_file_that_is_wrong_is_refused_whole_and_the_old_registry_stays(
    postgres_dsn: str, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        in_force = found.live.in_force
        path.write_text(text)
        await until(lambda: found.live.flaw is not None, "the flaw")
        assert found.live.in_force is in_force
        assert knows(found, "one")
        state = HostConfigs(database, found.live).state()
        assert state.word == "refused"
        write(path, entry("one"), entry("two"))
        await until(lambda: knows(found, "two"), "the mended file")
        assert found.live.flaw is None
        await found.live.close()

    run(postgres_dsn, scenario)


def test_the_same_bytes_again_make_the_flaw_go_away(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))
    good = path.read_text()

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        path.write_text("model_list: [")
        await until(lambda: found.live.flaw is not None, "the flaw")
        path.unlink()
        await until(lambda: "No such file" in (found.live.flaw or ""), "the missing file")
        path.write_text(good)
        await until(lambda: found.live.flaw is None, "the old content")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_a_refusal_is_told_once_and_without_a_value(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        looked = 0
        look = found.live._looked_at

        async def counted(files: Any) -> Any:
            nonlocal looked
            looked += 1
            return await look(files)

        found.live._looked_at = counted  # type: ignore[method-assign]
        with capture_logs() as logs:
            path.write_text(
                f"model_list: [{{model_name: m, litellm_params: {{model: {KEY}, api_key: {KEY}}}}}]"
            )
            await until(lambda: found.live.flaw is not None, "the flaw")
            seen = looked
            await until(lambda: looked > seen + 10, "ten more looks")
        refused = [each for each in logs if each["event"] == "config_refused"]
        assert len(refused) == 1
        assert KEY not in str(logs)
        await found.live.close()

    run(postgres_dsn, scenario)


def test_a_file_that_is_being_written_empties_no_registry(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        path.write_text("")
        await until(lambda: found.live.flaw is not None, "the flaw")
        assert knows(found, "one")
        write(path, entry("two"))
        await until(lambda: knows(found, "two"), "the whole file")
        path.write_text("model_list: []")
        await until(lambda: not knows(found, "two"), "a list of nothing")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_a_file_behind_a_link_and_an_included_file_are_followed(postgres_dsn: str, tmp_path: Path) -> None:
    """Kubernetes changes a mounted file by changing a link to its folder."""
    for number in ("1", "2"):
        folder = tmp_path / f"data-{number}"
        folder.mkdir()
        write(folder / "config.yaml", entry("one"), include=["more.yaml"])
        (folder / "more.yaml").write_text(yaml.safe_dump({"model_list": [entry(f"more-{number}")]}))
    link = tmp_path / "data"
    link.symlink_to(tmp_path / "data-1")

    async def scenario(database: Database) -> None:
        found = await following(database, link / "config.yaml")
        assert knows(found, "more-1")
        newer = tmp_path / "newer"
        newer.symlink_to(tmp_path / "data-2")
        os.replace(newer, link)
        await until(lambda: knows(found, "more-2"), "the other folder")
        assert not knows(found, "more-1")
        (tmp_path / "data-2" / "more.yaml").write_text(yaml.safe_dump({"model_list": [entry("again")]}))
        await until(lambda: knows(found, "again"), "the included file")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_stored_models_stay_when_the_file_changes(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        await store(found, "stored")
        write(path, entry("two"))
        await until(lambda: knows(found, "two"), "the new file")
        assert knows(found, "stored")
        write(path, entry("three"), general_settings={"store_model_in_db": False})
        await until(lambda: knows(found, "three"), "a file that stores nothing")
        assert not knows(found, "stored")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_an_announced_row_is_in_force_at_other_workers(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        first, second = await following(database, path), await following(database, path)
        await store(first, "stored")
        assert knows(first, "stored")
        assert not knows(second, "stored")
        second.live.heard("user:ada")
        second.live.heard("model:stored")
        await until(lambda: knows(second, "stored"), "the row")
        swaps = len(second.swaps)
        second.live.heard("all")
        await second.live.refresh()
        assert len(second.swaps) == swaps, "nothing has changed, so nothing is built"
        for each in (first, second):
            await each.live.close()

    run(postgres_dsn, scenario)


def test_a_worker_that_starts_later_takes_the_file_as_it_is_now(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))
    at_start = load_files(path).document

    async def scenario(database: Database) -> None:
        write(path, entry("two"))
        later = Registered(database, at_start, config_path=path)
        await later.live.start()
        assert knows(later, "two")
        assert not knows(later, "one")
        await later.live.close()
        path.write_text(yaml.safe_dump({"model_list": 5}))
        wrong = Registered(database, at_start, config_path=path)
        await wrong.live.start()
        assert knows(wrong, "one")
        assert wrong.live.flaw is not None
        await wrong.live.close()

    run(postgres_dsn, scenario)


def test_what_sql_wrote_never_keeps_a_worker_from_starting(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        insert = (
            'INSERT INTO "LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params) VALUES ($1, $1, $2)'
        )
        for id, params in (("list", "[1]"), ("text", '"x"'), ("deep", '{"model": 1e999}'), ("huge", "7")):
            await database.pool.execute(insert, id, params)
        await database.pool.execute(insert, "good", '{"model": "ollama/llama3"}')
        await database.pool.execute(
            'INSERT INTO "LiteLLM_Config" (param_name, param_value) VALUES ($1, $2)',
            "router_settings",
            '{"num_retries": "many"}',
        )
        found = await following(database, path)
        assert knows(found, "one")
        assert knows(found, "good")
        assert len(found.live.in_force.checked.skipped) == 4
        await found.live.close()

    run(postgres_dsn, scenario)


def test_a_wrong_stored_setting_takes_no_other_one_along(postgres_dsn: str, tmp_path: Path) -> None:
    """The settings of the cache stay, and so do the router's other ones. Wrong ones of the cache switch it
    off, also where the file's is on."""
    path = tmp_path / "config.yaml"
    write(path, entry("one"), litellm_settings={"cache": True})
    insert = 'INSERT INTO "LiteLLM_Config" (param_name, param_value) VALUES ($1, $2)'

    async def scenario(database: Database) -> None:
        router = '{"num_retries": "many", "retry_after": 9, "nosuch": 1}'
        await database.pool.execute(insert, "router_settings", router)
        await database.pool.execute(insert, "cache_settings", '{"type": "off"}')
        found = await following(database, path)
        in_force = found.live.in_force.checked
        assert in_force.errors == ()
        assert in_force.config.router_settings.retry_after == 9
        assert not in_force.cache.is_on
        await found.live.close()
        await database.pool.execute(
            "UPDATE \"LiteLLM_Config\" SET param_value = $1 WHERE param_name = 'cache_settings'",
            '{"type": "local", "ttl": -1}',
        )
        with capture_logs() as logs:
            found = await following(database, path)
        assert not found.live.in_force.checked.cache.is_on
        (told,) = [each for each in logs if each["event"] == "stored_values_unreadable"]
        assert "cache_settings.ttl" in told["first"][0]
        await found.live.close()

    run(postgres_dsn, scenario)


async def set_router(database: Database, text: str) -> None:
    """Store settings of the router as another version would, or SQL."""
    await database.pool.execute(
        "INSERT INTO \"LiteLLM_Config\" (param_name, param_value) VALUES ('router_settings', $1)"
        " ON CONFLICT (param_name) DO UPDATE SET param_value = excluded.param_value",
        text,
    )


def test_a_wrong_stored_setting_is_named_and_the_rest_of_a_refresh_is_in_force(
    postgres_dsn: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"), router_settings={"num_retries": 1})

    async def scenario(database: Database) -> None:
        found, other = await following(database, path), await following(database, path)
        await set_router(database, '{"num_retries": "many", "retry_after": 9, "nosuch": 1}')
        await store(other, "stored")
        with capture_logs() as logs:
            for _ in range(3):
                await found.live.refresh()
            await store(found, "again")
        in_force = found.live.in_force.checked
        assert knows(found, "stored")
        assert knows(found, "again")
        assert in_force.errors == ()
        settings = in_force.config.router_settings
        assert (settings.retry_after, settings.num_retries) == (9, 1)
        told = [each for each in logs if each["event"] == "stored_settings_refused"]
        assert [each["settings"] for each in told] == [2]
        assert "router_settings.num_retries: Expected `int | null`" in str(told)
        assert "router_settings.nosuch" in str(told)
        assert in_force.config.unfit_settings.keys() == {"num_retries", "nosuch"}
        await set_router(database, '{"num_retries": 4, "retry_after": 9}')
        await found.live.refresh()
        in_force = found.live.in_force.checked
        assert (in_force.config.router_settings.num_retries, in_force.config.unfit_settings) == (4, {})
        for text in ("[1]", "7", '{"retry_after": ' + "9" * 5_000 + "}"):
            await set_router(database, text)
            with capture_logs() as logs:
                await found.live.refresh()
            assert found.live.in_force.checked.config.router_settings.num_retries == 1
            assert found.live.in_force.checked.config.router_settings.retry_after is None
            assert knows(found, "stored")
        await set_router(database, '{"num_retries": 3}')
        await found.live.refresh()
        in_force = found.live.in_force.checked
        assert (in_force.config.router_settings.num_retries, in_force.config.unfit_settings) == (3, {})
        for each in (found, other):
            await each.live.close()

    run(postgres_dsn, scenario)


def test_a_file_is_judged_by_the_stored_settings_that_are_in_force(postgres_dsn: str, tmp_path: Path) -> None:
    """One that is not can't keep a file out, and a file can't put one out of force."""
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        await set_router(database, '{"num_retries": "many", "model_group_alias": {"two": "one"}}')
        found = await following(database, path)
        assert knows(found, "two")
        write(path, entry("one"), entry("three"))
        await until(lambda: knows(found, "three"), "the file beside a wrong setting")
        write(path, entry("one"), entry("three"), router_settings={"retry_after": "soon"})
        await until(lambda: "retry_after" in (found.live.flaw or ""), "the file's own flaw")
        assert "num_retries" not in (found.live.flaw or "")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_another_salt_key_skips_the_stored_models_and_serves_the_others(
    postgres_dsn: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        await store(found, "stored")
        document = load_files(path).document
        other = Registered(
            database, document, sealer=Sealer(Secret("another-salt-key-here")), config_path=path
        )
        with capture_logs() as logs:
            await other.live.start()
        (told,) = [each for each in logs if each["event"] == "stored_values_unreadable"]
        assert told["first"][0].startswith("model stored: ")
        assert knows(other, "one")
        (reason,) = other.live.in_force.checked.skipped
        assert "sealed under the salt key" in reason
        assert KEY not in reason
        for each in (found, other):
            await each.live.close()

    run(postgres_dsn, scenario)


def test_a_change_that_would_break_the_file_for_stored_models_is_refused(
    postgres_dsn: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        await store(found, "stored")
        write(path, entry("one", model_info={"id": "stored"}))
        await until(lambda: found.live.flaw is not None, "the flaw")
        assert "model stored" in (found.live.flaw or "")
        assert knows(found, "stored")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_ten_changes_at_once_are_applied_one_after_the_other(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        first, second = await following(database, path), await following(database, path)
        names = [f"m{number}" for number in range(10)]
        await asyncio.gather(*(store((first, second)[place % 2], name) for place, name in enumerate(names)))
        await first.live.refresh()
        assert all(knows(first, name) for name in names)
        for each in (first, second):
            await each.live.close()

    run(postgres_dsn, scenario)


def test_an_entry_that_moved_is_no_new_skipped_one(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    lame = {"model_name": "lame", "litellm_params": {"model": "openai/x"}}
    write(path, lame, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        before = found.live.in_force.checked
        assert len(before.skipped) == 1
        write(path, entry("zero"), entry("one"), lame)
        await until(lambda: knows(found, "zero"), "the new file")
        assert newly_skipped(before, found.live.in_force.checked) == []
        write(path, entry("zero"), entry("one"), lame, lame)
        await until(lambda: found.live.flaw is not None, "a second one")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_sections_that_need_a_restart_are_told(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        write(path, entry("one"), general_settings={"store_model_in_db": True, "min_output_tokens": 5})
        waiting = ("general_settings.min_output_tokens",)
        await until(lambda: found.live.waits_for_restart == waiting, "the setting")
        write(path, entry("one"), litellm_settings={"drop_params": True, "max_budget": 5})
        waiting = ("litellm_settings.max_budget",)
        await until(lambda: found.live.waits_for_restart == waiting, "the budget")
        write(path, entry("one"))
        await until(lambda: found.live.waits_for_restart == (), "the settings as they were")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_sighup_reads_a_file_again_that_was_refused(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that the config names may be there now."""
    monkeypatch.setattr(module, "LOOK_S", 3600.0)
    path, authorities = tmp_path / "config.yaml", tmp_path / "ca.pem"
    write(path, entry("one"))

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        late = entry("two")
        late["litellm_params"]["ssl_verify"] = str(authorities)
        write(path, entry("one"), late)
        found.live.look_at_file()
        await until(lambda: found.live.flaw is not None, "the missing certificate")
        self_signed(tmp_path, "ca")
        found.live.look_at_file()
        await until(lambda: knows(found, "two"), "the certificate")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_a_read_that_failed_is_made_again_though_nothing_more_is_announced(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    failures: list[Exception] = [DatabaseUnavailable("The pool is used up."), RuntimeError("a bug")]

    async def scenario(database: Database) -> None:
        first, second = await following(database, path), await following(database, path)

        async def read_at_once(database: Database) -> StoredRows:
            if failures:
                raise failures.pop()
            return await read_stored(database)

        await store(first, "stored")
        monkeypatch.setattr(module, "read_at_once", read_at_once)
        second.live.heard("model:stored")  # once: the listener's own connection is well
        await until(lambda: knows(second, "stored"), "the row")
        assert failures == []
        for each in (first, second):
            await each.live.close()

    run(postgres_dsn, scenario)


def test_a_change_that_is_stored_is_no_failure_where_it_can_not_be_read_at_once(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    write(path, entry("one"))
    monkeypatch.setattr(module, "AGAIN_S", 0.01)

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        away = [True]

        async def read_at_once(database: Database) -> StoredRows:
            if away:
                away.pop()
                raise DatabaseUnavailable("Away for a moment.")
            return await read_stored(database)

        monkeypatch.setattr(module, "read_at_once", read_at_once)
        await store(found, "stored")
        await until(lambda: knows(found, "stored"), "the row")
        await found.live.close()

    run(postgres_dsn, scenario)


def test_models_of_hosts_whose_clocks_differ_are_not_taken_for_each_other(
    postgres_dsn: str, tmp_path: Path
) -> None:
    """A model that a host with a slow clock made is not the last of the rows, though it was stored last."""
    path = tmp_path / "config.yaml"
    write(path, entry("one"))
    set_model = 'UPDATE "LiteLLM_ProxyModelTable" SET '

    async def scenario(database: Database) -> None:
        found = await following(database, path)
        await store(found, "ahead")
        await database.pool.execute(f"{set_model} created_at = now() + interval '1 hour'")
        await found.live.refresh()
        await store(found, "behind")
        await database.pool.execute(f"{set_model} blocked = true WHERE model_id = 'ahead'")
        await found.live.refresh()
        assert knows(found, "behind")
        assert not knows(found, "ahead")
        await found.live.close()

    run(postgres_dsn, scenario)
