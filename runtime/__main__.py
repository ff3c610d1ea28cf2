"""The command line: `python -m runtime serve`, and `dev`, `invoke`, `migrate`, `update-models`. `just` has a
recipe for each."""

import argparse
import asyncio
import sys
from pathlib import Path

from runtime.blueprint import Blueprint
from runtime.config_file import ConfigFileError, Document, load_document
from runtime.local.postgres_cluster import EmbeddedPostgresError
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
from runtime.settings import SettingsError, environment


def main(argv: list[str]) -> int:
    """Run one command. Gives the exit code: 0 for success, 1 for a failure, 2 for bad input, 3 for a bad
    database."""
    arguments = _parser().parse_args(argv)
    leave_on_signals()
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


def _parser() -> argparse.ArgumentParser:
    env = environment()
    parser = argparse.ArgumentParser(prog="switchgear", allow_abbrev=False)
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="the gateway alone")
    dev = commands.add_parser("dev", help="Postgres, a small real model and the gateway")
    for command in (serve, dev):
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
    migrate = commands.add_parser("migrate", help="bring the database's tables up to date")
    update = commands.add_parser("update-models", help="make the table of what models take anew")
    update.add_argument("--litellm", help="LiteLLM's model map: an address or a file")
    update.add_argument("--models-dev", help="models.dev's list: an address or a file")
    update.add_argument("--to", type=Path, help="the table to write, in place of the project's own")
    update.set_defaults(run=_update_models)
    providers = commands.add_parser("providers", help="the providers that a config can name")
    providers.add_argument("name", nargs="?", help="those whose names begin so")
    providers.add_argument("--markdown", action="store_true", help="the page of the docs")
    providers.set_defaults(run=_providers)
    for command in (serve, dev, invoke, migrate):
        command.add_argument("--config", type=Path, default=env.get("CONFIG_FILE_PATH"))
    for command, function in ((serve, _serve), (dev, _dev), (invoke, _invoke), (migrate, _migrate)):
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
            families=families,
        )
        return run(blueprint, _listen(arguments))


def _dev(arguments: argparse.Namespace) -> int:
    from runtime.commands.dev import dev

    check_address(_listen(arguments))
    return dev(_document(arguments), environment(), _listen(arguments))


def _invoke(arguments: argparse.Namespace) -> int:
    from runtime.commands.invoke_once import invoke

    return asyncio.run(
        invoke(arguments.name, arguments.body, document=_document(arguments), env=environment())
    )


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
        return prepare(blueprint)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
