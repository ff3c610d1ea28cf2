"""`just dev`: starts everything on this machine, and prints a curl command to paste."""

import json
import time
from collections.abc import Mapping

from runtime.blueprint import Blueprint
from runtime.commands.ui import built_aside
from runtime.config_file import Document, merge
from runtime.local.models import FoundModels, local_models
from runtime.outbound import Unreachable, get_json
from runtime.process.child import ChildProcess
from runtime.serving.serve import Listen, ServedDatabase, run, salted, settings_of
from schema.secret import Secret

READY_TIMEOUT_S = 60.0


def dev(document: Document, env: Mapping[str, str], listen: Listen) -> int:
    """Start Postgres, the models and the gateway, print what was found, and serve until Ctrl-C. Gives the
    exit code."""
    with built_aside(env, url_of(listen)), local_models(env) as found:
        whole = merge(document, found.document)
        settings, master_key, _ = settings_of(whole, dict(found.env))
        settings = salted(settings)
        with ServedDatabase(settings) as dsn:
            blueprint = Blueprint(
                document=whole, env=found.env, settings=settings, master_key=master_key, dsn=dsn
            )
            where = "DATABASE_URL" if settings.database_url else str(settings.data_dir / "postgres")
            text = banner(found, listen, master_key, dsn=dsn, where=where)
            # This is a process and no thread, because granian forks its workers. A lock that a thread holds
            # at that moment (of the import system, of OpenSSL) would never be given back in the worker.
            watch = ChildProcess(target=_print_when_ready, args=(text, listen), name="watch", daemon=True)
            watch.start()
            return run(blueprint, listen)


def _print_when_ready(text: str, listen: Listen) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            get_json(f"{url_of(listen)}/health/readiness", timeout_s=1.0)
        except Unreachable:
            time.sleep(0.05)
        else:
            print(text, flush=True)
            return


def banner(found: FoundModels, listen: Listen, master_key: Secret, *, dsn: Secret, where: str) -> str:
    """The text that says what was found and how to call it. `where` is the directory of the embedded
    Postgres, or the word `DATABASE_URL`: the user knows that address, and it is not printed."""
    models = [entry["model_name"] for entry in found.document["model_list"] if "*" not in entry["model_name"]]
    body = {
        "model": models[0] if models else "...",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 60,  # such a small model may never end its answer
    }
    key = master_key.reveal()
    lines = [
        "",
        "Models",
        *(f"  {line}" for line in found.report),
        "",
        f"Database  {where}",
        *([f'          psql "{dsn.reveal()}"'] if where != "DATABASE_URL" else []),
        f"URL       {url_of(listen)}/v1    (reference: {url_of(listen)}/docs)",
        f"Key       {key}",
        "",
        f"curl {url_of(listen)}/v1/chat/completions -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'",
        "",
        "Ctrl-C stops all of it.",
    ]
    return "\n".join(lines)


def url_of(listen: Listen) -> str:
    """The URL at which a client on this machine reaches the server."""
    host = "127.0.0.1" if listen.host in ("0.0.0.0", "::") else listen.host
    return f"http://[{host}]:{listen.port}" if ":" in host else f"http://{host}:{listen.port}"
