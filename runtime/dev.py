"""`just dev`: everything on this machine, and a line to paste."""

import json
import threading
import time
from collections.abc import Mapping

from runtime.blueprint import Blueprint
from runtime.config_file import Document, merge
from runtime.local_models import Found, local_models
from runtime.outbound import Unreachable, get_json
from runtime.serve import Database, Listen, prepare, run, settings_of
from schema.secret import Secret

READY_TIMEOUT_S = 60.0


def dev(document: Document, env: Mapping[str, str], listen: Listen) -> int:
    """Start all of it, say what was found, serve until Ctrl-C. Gives the exit code."""
    with local_models(env) as found:
        whole = merge(document, found.document)
        settings, master_key, _ = settings_of(whole, dict(found.env))
        with Database(settings) as dsn:
            blueprint = Blueprint(
                document=whole, env=found.env, settings=settings, master_key=master_key, dsn=dsn
            )
            failed = prepare(blueprint)
            if failed:
                return failed
            where = "DATABASE_URL" if settings.database_url else str(settings.data_dir / "postgres")
            banner = _banner(found, listen, master_key, dsn=dsn, where=where)
            threading.Thread(target=_print_when_ready, args=(banner, listen), daemon=True).start()
            return run(blueprint, listen)


def _print_when_ready(banner: str, listen: Listen) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            get_json(f"{_url(listen)}/health/readiness", timeout_s=1.0)
        except Unreachable:
            time.sleep(0.05)
        else:
            print(banner, flush=True)
            return


def _banner(found: Found, listen: Listen, master_key: Secret, *, dsn: Secret, where: str) -> str:
    models = [entry["model_name"] for entry in found.document["model_list"] if "*" not in entry["model_name"]]
    body = {
        "model": models[0] if models else "...",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 60,  # a model this small may find no end
    }
    key = master_key.reveal()
    lines = [
        "",
        "Models",
        *(f"  {line}" for line in found.report),
        "",
        f"Database  {where}",
        f'          psql "{dsn.reveal()}"' if where != "DATABASE_URL" else "",
        f"URL       {_url(listen)}/v1    (reference: {_url(listen)}/docs)",
        f"Key       {key}",
        "",
        f"curl {_url(listen)}/v1/chat/completions -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'",
        "",
        "Ctrl-C stops all of it.",
    ]
    return "\n".join(line for line in lines if line is not None)


def _url(listen: Listen) -> str:
    host = "127.0.0.1" if listen.host in ("0.0.0.0", "::") else listen.host
    return f"http://{host}:{listen.port}"
