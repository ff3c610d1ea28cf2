"""The command line: `python -m runtime serve` and its other commands. `just` has a recipe for each."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any  # argparse's own options

from runtime.blueprint import Blueprint
from runtime.config_file import ConfigFileError, Document, load_document
from runtime.local.postgres_cluster import EmbeddedPostgresError
from runtime.process.child import fork_children
from runtime.serving.checks import prepare, report
from runtime.serving.serve import (
    AddressTaken,
    Listen,
    ServedDatabase,
    check_address,
    leave_on_signals,
    run,
    salted,
    settings_of,
    whole_check,
)
from runtime.settings import SettingsError, data_dir_of, environment
from schema.secret import Secret


def main(argv: list[str]) -> int:
    """Run one command. Gives the exit code: 0 for success, 1 for a failure, 2 for bad input, 3 for a bad
    database."""
    arguments = command_line(environment()).parse_args(argv)
    leave_on_signals()
    fork_children()
    try:
        return int(arguments.run(arguments))
    except AddressTaken as exc:
        print(f"switchgear: {exc}", file=sys.stderr)
        return 1
    except (ConfigFileError, SettingsError) as exc:
        print(f"switchgear: {exc}", file=sys.stderr)
        return 2
    except EmbeddedPostgresError as exc:
        print(f"switchgear: {exc}", file=sys.stderr)
        return 3
    except OSError as exc:
        where = "" if exc.filename is None else f"{exc.filename}: "
        print(f"switchgear: {where}{exc.strerror or type(exc).__name__}", file=sys.stderr)
        return 1


class _Subcommand(argparse.ArgumentParser):
    """A command whose options are written out: `--worker` is none, though `--workers` begins so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)


def command_line(env: Mapping[str, str]) -> argparse.ArgumentParser:
    """The commands and their options. The defaults of some are in the environment."""
    parser = argparse.ArgumentParser(prog="switchgear", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, parser_class=_Subcommand)
    serve = commands.add_parser("serve", help="the gateway alone")
    dev = commands.add_parser("dev", help="Postgres, a small real model and the gateway")
    stack = commands.add_parser("stack", help="what the compose project runs, without containers")
    for command in (serve, dev, stack):
        command.add_argument("--host", default="127.0.0.1")
        command.add_argument("--port", type=_port, default=env.get("PORT") or "4000")
        command.add_argument("--http2", action="store_true", help="beside HTTP/1, without a proxy")
        command.add_argument(
            "--no-fast-path", dest="fast_path", action="store_false", help="let Litestar find every function"
        )
        command.add_argument("--workers", type=_count, default=env.get("NUM_WORKERS") or "1")
    serve.add_argument("--functions", help="mount these families alone: chat,embeddings,...")
    serve.add_argument("--strict", action="store_true", help="refuse a config with a deployment in error")
    serve.add_argument("--check-config", action="store_true", help="print errors and warnings, and exit")
    invoke = commands.add_parser("invoke", help="one function without HTTP")
    invoke.add_argument("name")
    invoke.add_argument("body", nargs="?", default="{}")
    invoke.add_argument("--cookie", default="", help="the header of a browser that the call stands for")
    migrate = commands.add_parser("migrate", help="bring the database's tables up to date")
    migrate.add_argument(
        "--console-password-file", type=Path, help="make pgAdmin's database role too, with this password"
    )
    commands.add_parser("health", help="0 where the gateway on this machine is ready").set_defaults(
        run=_health, port=env.get("PORT") or "4000"
    )
    commands.add_parser("key", help="print the admin's key").set_defaults(run=_key)
    doctor = commands.add_parser("doctor", help="look at what the gateway stands on")
    doctor.add_argument("--offline", action="store_true", help="open nothing outside; list what would be")
    saving = commands.add_parser("backup", help="write all tables into a file")
    restoring = commands.add_parser("restore", help="fill an empty database from it")
    for command in (saving, restoring):
        command.add_argument("file", type=Path)
    saving.add_argument("--port", type=_port, default=env.get("PORT") or "4000", help="the gateway's port")
    pulling = commands.add_parser("pull", help="have a local model pulled, in the compose project")
    pulling.add_argument("model")
    pulling.set_defaults(run=_pull)
    commands.add_parser("door", help="let the serving Ollama ask for models").set_defaults(run=_door)
    making = commands.add_parser("secrets", help="write the secrets of the compose project, once")
    making.add_argument("--places", type=Path, default=Path("/secrets"), help="the other services' folders")
    making.set_defaults(run=_secrets)
    update = commands.add_parser("update-models", help="make the table of what models take anew")
    update.add_argument("--litellm", help="LiteLLM's model map: an address or a file")
    update.add_argument("--models-dev", help="models.dev's list: an address or a file")
    update.add_argument("--to", type=Path, help="the table to write, in place of the project's own")
    update.set_defaults(run=_update_models)
    providers = commands.add_parser("providers", help="the providers that a config can name")
    providers.add_argument("name", nargs="?", help="those whose names begin so")
    providers.add_argument("--markdown", action="store_true", help="the page of the docs")
    providers.set_defaults(run=_providers)
    trying = commands.add_parser("try-provider", help="the smallest real call to a provider or a model")
    trying.add_argument("name", help="a model of the config, a provider, or provider/model")
    trying.add_argument("--api-base", help="the address, where it is not the provider's own")
    trying.add_argument("--api-key-env", help="the variable that holds the key")
    trying.add_argument("--mode", choices=("chat", "embedding"), help="what the model is for")
    ui_build = commands.add_parser("ui-build", help="build the admin UI")
    ui_build.add_argument("--force", action="store_true", help="also where nothing has changed")
    ui_build.add_argument("--aside", default="", metavar="URL", help="begin when this gateway is ready")
    ui_build.set_defaults(run=_ui_build)
    demo = commands.add_parser("demo-data", help="fill an empty development database with a month")
    demo.add_argument("--rows", type=_count, default="200000", help="how many calls")
    demo.set_defaults(run=_demo_data)
    commands.add_parser("ui-test", help="run the tests of the admin UI's parts").set_defaults(run=_ui_test)
    ui = commands.add_parser("ui", help="develop the admin UI, with live reloading")
    ui.add_argument("--gateway", default="http://127.0.0.1:4000", help="where the API is")
    ui.set_defaults(run=_ui)
    for command in (serve, dev, stack, invoke, migrate, trying, doctor, saving, restoring, demo):
        command.add_argument("--config", type=Path, default=env.get("CONFIG_FILE_PATH"))
    for command, function in (
        (serve, _serve),
        (dev, _dev),
        (stack, _stack),
        (invoke, _invoke),
        (migrate, _migrate),
        (trying, _try_provider),
        (doctor, _doctor),
        (saving, _backup),
        (restoring, _restore),
    ):
        command.set_defaults(run=function)
    return parser


def _port(text: str) -> int:
    port = _count(text)
    if port > 65535:
        raise argparse.ArgumentTypeError(f"expected a port up to 65535, found {text!r}")
    return port


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above zero, found {text!r}")
    return int(text)


def _providers(arguments: argparse.Namespace) -> int:
    from runtime.commands.providers import print_providers

    return print_providers(environment(), markdown=arguments.markdown, name=arguments.name)


def _demo_data(arguments: argparse.Namespace) -> int:
    from runtime.commands.demo_data import fill_demo

    settings, _, _ = settings_of(_document(arguments), environment())
    with ServedDatabase(settings) as dsn:
        return fill_demo(dsn.reveal(), arguments.rows)


def _ui_build(arguments: argparse.Namespace) -> int:
    from runtime.commands.ui import build_ui

    return build_ui(environment(), force=arguments.force, aside=arguments.aside)


def _ui_test(_arguments: argparse.Namespace) -> int:
    from runtime.commands.ui import test_ui

    return test_ui(environment())


def _ui(arguments: argparse.Namespace) -> int:
    from runtime.commands.ui import develop_ui

    return develop_ui(environment(), arguments.gateway)


def _document(arguments: argparse.Namespace) -> Document:
    return load_document(Path(arguments.config)) if arguments.config else {}


def _listen(arguments: argparse.Namespace) -> Listen:
    return Listen(
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        http2=arguments.http2,
        fast_path=arguments.fast_path,
    )


def _serve(arguments: argparse.Namespace) -> int:
    document, env = _document(arguments), environment()
    families = tuple(arguments.functions.split(",")) if arguments.functions else None
    if arguments.check_config:
        checked = whole_check(document, env, families=families, strict=arguments.strict)
        report(checked)
        errors = len(checked.errors) + len(checked.skipped)
        serves = "; the other deployments serve" if checked.skipped and not checked.errors else ""
        print(f"{errors} errors, {len(checked.warnings)} warnings{serves}")
        return 1 if errors else 0
    check_address(_listen(arguments))
    settings, master_key, is_new = settings_of(document, env)
    if is_new:
        print(f"switchgear: made a master key, kept in {settings.data_dir / 'master.key'}", file=sys.stderr)
    settings = salted(settings)
    with ServedDatabase(settings) as dsn:
        blueprint = Blueprint(
            document=document,
            env=env,
            settings=settings,
            master_key=master_key,
            dsn=dsn,
            strict=arguments.strict,
            config_path=Path(arguments.config) if arguments.config else None,
            families=families,
        )
        return run(blueprint, _listen(arguments))


def _dev(arguments: argparse.Namespace) -> int:
    from runtime.commands.dev import dev

    check_address(_listen(arguments))
    return dev(_document(arguments), environment(), _listen(arguments))


def _stack(arguments: argparse.Namespace) -> int:
    from runtime.commands.stack import stack
    from runtime.local.nginx import NginxError

    try:
        return stack(_document(arguments), environment(), _listen(arguments))
    except NginxError as exc:
        print(f"switchgear: {exc}", file=sys.stderr)
        return 1


def _invoke(arguments: argparse.Namespace) -> int:
    from runtime.commands.invoke_once import invoke

    return asyncio.run(
        invoke(
            arguments.name,
            arguments.body,
            document=_document(arguments),
            env=environment(),
            cookie=arguments.cookie,
        )
    )


def _try_provider(arguments: argparse.Namespace) -> int:
    from runtime.commands.try_provider import TryOptions, try_provider

    options = TryOptions(
        name=arguments.name,
        api_base=arguments.api_base,
        api_key_env=arguments.api_key_env,
        mode=arguments.mode,
    )
    return try_provider(options, _document(arguments), environment())


def _update_models(arguments: argparse.Namespace) -> int:
    from models_registry.facts.table import TABLE
    from runtime.commands.update_models import LITELLM, MODELS_DEV, update_models

    return update_models(
        arguments.litellm or LITELLM, arguments.models_dev or MODELS_DEV, arguments.to or TABLE
    )


def _migrate(arguments: argparse.Namespace) -> int:
    document, env = _document(arguments), environment()
    settings, master_key, _ = settings_of(document, env)
    with ServedDatabase(settings) as dsn:
        blueprint = Blueprint(document={}, env=env, settings=settings, master_key=master_key, dsn=dsn)
        refusal = prepare(blueprint)
        if refusal or arguments.console_password_file is None:
            return refusal
        return _make_console_role(dsn, arguments.console_password_file)


def _make_console_role(dsn: Secret, password_file: Path) -> int:
    from asyncpg import PostgresError

    from runtime.postgres.console_role import ROLE, make_console_role

    try:
        asyncio.run(make_console_role(dsn.reveal(), password_file.read_text().strip()))
    except PostgresError as exc:
        # pgAdmin does without; calls don't need it
        print(f"switchgear: {ROLE} can't be made: {type(exc).__name__}", file=sys.stderr)
    return 0


def _health(arguments: argparse.Namespace) -> int:
    from runtime.outbound import Unreachable, get_json

    try:
        get_json(f"http://127.0.0.1:{arguments.port}/health/readiness", timeout_s=4.0)
    except Unreachable as exc:
        print(f"switchgear: not ready: {exc}", file=sys.stderr)
        return 1
    return 0


def _key(_arguments: argparse.Namespace) -> int:
    from runtime.commands.host_secrets import sign_in_lines

    settings, master_key, _ = settings_of({}, environment())
    print(*sign_in_lines(master_key.reveal(), settings.data_dir), sep="\n")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from runtime.commands.doctor import doctor

    document, env = _document(arguments), environment()
    settings, _, _ = settings_of(document, env)
    return doctor(document, env, settings, offline=arguments.offline)


def _backup(arguments: argparse.Namespace) -> int:
    from runtime.commands.backup import BackupError, backup
    from runtime.commands.drain import drained

    settings, _, _ = settings_of(_document(arguments), environment())
    with ServedDatabase(settings) as dsn:
        waiting = drained(f"http://127.0.0.1:{arguments.port}", settings.journals, dsn)
        if waiting.rows:
            print(f"switchgear: {waiting.rows} rows in journals are not in the backup", file=sys.stderr)
        for doubt in waiting.doubts:
            print(f"switchgear: {doubt}: rows may be missing from the backup", file=sys.stderr)
        try:
            manifest = backup(dsn, arguments.file)
        except BackupError as exc:
            print(f"switchgear: {exc}", file=sys.stderr)
            return 3
    print(f"{arguments.file}: {sum(manifest.rows.values())} rows of {len(manifest.rows)} tables")
    print("Keep the salt key beside it: without it, stored credentials can't be read.")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from runtime.commands.backup import BackupError
    from runtime.commands.restore import restore

    settings, _, _ = settings_of(_document(arguments), environment())
    with ServedDatabase(settings) as dsn:
        try:
            manifest = restore(dsn, arguments.file)
        except BackupError as exc:
            print(f"switchgear: {exc}", file=sys.stderr)
            return 3
    rows = sum(manifest.rows.values())
    print(f"restored {rows} rows of {len(manifest.rows)} tables; every count is the same")
    return 0


def _pull(arguments: argparse.Namespace) -> int:
    from runtime.commands.pull import pull

    return pull(environment(), arguments.model)


def _door(arguments: argparse.Namespace) -> int:
    from runtime.commands.door import door

    settings, _, _ = settings_of({}, environment())
    if settings.database_url is None:
        raise SettingsError("DATABASE_URL: the door writes its audit rows there")
    return door(environment(), settings.database_url)


def _secrets(arguments: argparse.Namespace) -> int:
    from runtime.commands.host_secrets import write_secrets

    env = environment()
    for path in write_secrets(env, data_dir_of(env), arguments.places):
        print(f"switchgear: wrote {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
