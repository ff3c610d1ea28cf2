"""`just invoke`: one function, called with bytes as HTTP would, without HTTP."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack

import msgspec

from runtime.blueprint import Blueprint
from runtime.catalog import UnknownFunction, entry_named
from runtime.config_file import Document
from runtime.invoke import Endpoint, Incoming
from runtime.local_models import local_models
from runtime.migrations import migrate
from runtime.serve import Database, settings_of
from runtime.services import Services


async def invoke(name: str, body: str, *, document: Document, env: Mapping[str, str]) -> int:
    """Call a function as the master key's holder; the reply goes to stdout. 0 where it is a 200.

    Without a config, the models are those that `just dev` would find.
    """
    try:
        entry = entry_named(name)
    except UnknownFunction as exc:
        sys.stderr.write(f"switchgear: {exc}\n")
        return 2
    with ExitStack() as stack:
        if not document:
            found = stack.enter_context(local_models(env))
            document, env = found.document, found.env
        settings, master_key, _ = settings_of(document, dict(env))
        dsn = stack.enter_context(Database(settings))
        await migrate(dsn.reveal())
        blueprint = Blueprint(document=document, env=env, settings=settings, master_key=master_key, dsn=dsn)
        services = Services(blueprint)
        endpoint = Endpoint(entry, await services.open())
        try:
            return await _call(endpoint, body, master_key.reveal())
        finally:
            await services.close()


async def _call(endpoint: Endpoint, body: str, key: str) -> int:
    async def read_body() -> bytes:
        return body.encode()

    query: dict[str, str] = {}
    if endpoint.manifest.method == "GET":
        query = {
            name: str(value)
            for name, value in msgspec.json.decode(body, type=dict[str, str | int | bool]).items()
        }
    incoming = Incoming(headers={"authorization": f"Bearer {key}"}, query=query, read_body=read_body)
    reply = await endpoint.invoke(incoming)
    if isinstance(reply.body, bytes):
        sys.stdout.write(reply.body.decode() + "\n")
    else:
        try:
            async for event in reply.body.events():
                sys.stdout.write(event.decode())
                sys.stdout.flush()
        finally:
            reply.body.close()
    reply.done()
    return 0 if reply.status == 200 else 1
