"""`just invoke`: calls one function with the bytes of a body, as HTTP would, but without HTTP."""

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import msgspec

from functions.contract.function import EventStream
from runtime.blueprint import Blueprint, check
from runtime.catalog import UnknownFunction, entry_named
from runtime.config_file import Document
from runtime.invoke import Endpoint, Incoming
from runtime.local.models import local_models
from runtime.postgres.migrations import ForeignDatabase, MigrationFailed, migrate
from runtime.process.logs import set_up_logs
from runtime.serving.books_process import BOOK_S
from runtime.serving.checks import report
from runtime.serving.serve import ServedDatabase, salted, settings_of
from runtime.serving.single_call import SingleCall
from schema.errors.base import GatewayError
from schema.errors.forms import envelope
from schema.errors.overload import DatabaseUnavailable


async def invoke(
    name: str, body: str, *, document: Document, env: Mapping[str, str], cookie: str = ""
) -> int:
    """Call a function with the master key, and write the reply to stdout. Gives the exit code: 0 for a reply
    with status 200, 1 for another reply, 2 for bad input, 3 for a bad database.

    Without a config, the models are those that `just dev` would find.
    """
    logs = set_up_logs()
    try:
        return await _invoke(name, body, document=document, env=env, log_line=logs.msg, cookie=cookie)
    except UnknownFunction as exc:
        sys.stderr.write(f"switchgear: {exc}\n")
        return 2
    except (ForeignDatabase, MigrationFailed, DatabaseUnavailable) as exc:
        sys.stderr.write(f"switchgear: {exc}\n")
        return 3


async def _invoke(
    name: str,
    body: str,
    *,
    document: Document,
    env: Mapping[str, str],
    log_line: Callable[[bytes], None],
    cookie: str,
) -> int:
    entry = entry_named(name)
    with ExitStack() as stack:
        if not document:
            found = stack.enter_context(local_models(env))
            document, env = found.document, found.env
        checked = check(document, env)
        if checked.errors or checked.skipped:
            report(msgspec.structs.replace(checked, warnings=()))
        if checked.errors:
            return 2
        settings, master_key, _ = settings_of(document, dict(env))
        settings = salted(settings)
        dsn = stack.enter_context(ServedDatabase(settings))
        await migrate(dsn.reveal())
        blueprint = Blueprint(document=document, env=env, settings=settings, master_key=master_key, dsn=dsn)
        single = SingleCall(blueprint, log_line=log_line)
        try:
            async with single as gateway:
                return await call(Endpoint(entry, gateway), body, master_key.reveal(), cookie=cookie)
        finally:
            if not await single.book(within_s=BOOK_S, waits=False):
                sys.stderr.write("switchgear: the spend row waits on disk until the database is back\n")


async def call(endpoint: Endpoint, body: str, key: str, *, cookie: str = "") -> int:
    """Call an endpoint and print its reply. Gives 0 for a complete reply with status 200, 2 for a body that
    can't be a query, 1 for anything else. `cookie` is the header of a browser; the key counts before it."""

    async def read_body() -> bytes:
        return body.encode()

    query: dict[str, str] = {}
    if endpoint.manifest.method == "GET":
        try:
            values = msgspec.json.decode(body, type=dict[str, str | int | float | bool | None])
        except msgspec.DecodeError as exc:
            sys.stderr.write(f"switchgear: the parameters are no JSON object of plain values: {exc}\n")
            return 2
        query = {name: _text(value) for name, value in values.items() if value is not None}
    headers = {"authorization": f"Bearer {key}", **({"cookie": cookie} if cookie else {})}
    incoming = Incoming(headers=headers, query=query, read_body=read_body)
    reply = await endpoint.invoke(incoming)
    whole = reply.status == 200
    if reply.download is not None:
        async for piece in reply.download.pieces():
            sys.stdout.write(piece.decode())
    elif isinstance(reply.body, bytes):
        sys.stdout.write(reply.body.decode() + "\n")
    else:
        whole = await _print_stream(reply.body) and whole
    reply.done()
    return 0 if whole else 1


async def _print_stream(stream: EventStream) -> bool:
    """Print the events of a stream. True where the stream came to its end. An error that ends it earlier is
    printed as the event that HTTP would carry."""
    try:
        async for event in stream.events():
            sys.stdout.write(event.decode())
            sys.stdout.flush()
    except GatewayError as error:
        sys.stdout.write(f"data: {msgspec.json.encode(envelope(error)).decode()}\n\n")
        return False
    finally:
        stream.close()
    return True


def _text(value: str | int | float | bool) -> str:
    """A value as a query has it: `true`, `1.5`."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
