"""`just doctor`: looks at what a gateway stands on, and says what is wrong and what to do."""

import asyncio
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from runtime.blueprint import Checked, check
from runtime.commands.addresses import addresses, is_readable, pull_bases, unreadable
from runtime.commands.findings import CONNECT_S, Finding
from runtime.commands.local_servers import of_door, of_ollama, of_pull_base
from runtime.config_file import Document
from runtime.postgres.migrations import known_migrations
from runtime.settings import Settings

MAX_CLOCK_S = 2.0
"""How far this machine's clock may be from Postgres's. Windows of budgets are of the database's time."""
FEW_DAYS = 14
OLLAMA = frozenset({"ollama", "ollama_chat"})
_ORPHANS = """
    SELECT count(*) AS leases, coalesce(sum(l.amount), 0)::text AS amount
    FROM "Switchgear_Lease" l LEFT JOIN "Switchgear_Worker" w USING (worker)
    WHERE w.worker IS NULL OR w.seen_at < clock_timestamp() - interval '5 minutes'
"""


def doctor(document: Document, env: Mapping[str, str], settings: Settings, *, offline: bool) -> int:
    """Print what is found. Gives 0, or 1 where something is wrong. `offline`: nothing outside is opened, and
    what would be is listed."""
    found = asyncio.run(findings(document, env, settings, offline=offline))
    for finding in found:
        print(f"{finding.level:8} {finding.text}")
    counts = {level: sum(each.level == level for each in found) for level in ("error", "warning")}
    print(f"{counts['error']} errors, {counts['warning']} warnings")
    return 1 if counts["error"] else 0


async def findings(
    document: Document, env: Mapping[str, str], settings: Settings, *, offline: bool
) -> Sequence[Finding]:
    """Everything that is looked at, in order."""
    checked = check(document, dict(env))
    found = [*_of_config(checked), *await _of_database(settings), *_of_journals(settings)]
    found += [Finding("error", f"{name}: its address can't be read") for name in unreadable(checked)]
    for url, name in sorted(addresses(checked).items()):
        if offline:
            found.append(Finding("ok", f"{name}: would open {url}"))
        else:
            found.append(await _of_address(url, name))
    if checked.guard.max_bytes:
        found.append(Finding("ok", "files: callers may name addresses of their own for images and files"))
    found += _would_ask(checked) if offline else await _of_local_servers(checked)
    base_url = checked.site.base_url
    if base_url.startswith("https://"):
        found.append(
            Finding("ok", f"TLS: would open {base_url}") if offline else await _of_certificate(base_url)
        )
    return found


async def _of_local_servers(checked: Checked) -> list[Finding]:
    found = [await of_ollama(base) for base in sorted(_ollamas(checked))]
    bases = sorted(pull_bases(checked).items())
    found += [await of_pull_base(base, name) for base, name in bases if is_readable(base)]
    door = _door(checked)
    return [*found, await of_door(door)] if door else found


def _would_ask(checked: Checked) -> list[Finding]:
    door = _door(checked)
    return [Finding("ok", f"door: would open {door}")] if door else []


def _door(checked: Checked) -> str:
    return checked.config.environment.get("SWITCHGEAR_DOOR", "")


def _ollamas(checked: Checked) -> set[str]:
    return {
        target.api_base.rstrip("/")
        for target in checked.registry.everything()
        if target.provider in OLLAMA and target.api_base and is_readable(target.api_base)
    }


def _of_config(checked: Checked) -> Iterator[Finding]:
    yield from (Finding("error", f"config: {each}") for each in checked.errors)
    yield from (Finding("warning", f"config: {each}") for each in (*checked.skipped_lines, *checked.warnings))
    if not checked.errors:
        yield Finding("ok", f"config: {len(checked.registry.everything())} deployments can be called")


async def _of_database(settings: Settings) -> list[Finding]:
    import asyncpg

    if settings.database_url is None:
        return [Finding("ok", "database: the embedded Postgres, which is looked at when it is started")]
    found: list[Finding] = []
    try:
        connection = await asyncpg.connect(settings.database_url.reveal(), timeout=CONNECT_S)
    except (OSError, asyncpg.PostgresError, TimeoutError) as exc:
        return [Finding("error", f"database: it can't be reached ({type(exc).__name__}): check DATABASE_URL")]
    try:
        before = time.time()
        row = await connection.fetchrow("SELECT clock_timestamp() AS at, version() AS version")
        found.append(Finding("ok", f"database: {row['version'].split(' on ')[0]}"))
        apart = row["at"].timestamp() - (before + time.time()) / 2
        level: Literal["ok", "error"] = "ok" if abs(apart) <= MAX_CLOCK_S else "error"
        found.append(Finding(level, f"clock: {apart:+.1f} s from the database's"))
        rows = await connection.fetch("SELECT name FROM migration WHERE app_name = 'switchgear'")
        known, applied = set(known_migrations()), {each["name"] for each in rows}
        missing, newer = known - applied, sorted(applied - known)
        if missing:
            found.append(
                Finding("error", f"migrations: {len(missing)} are pending; `just migrate` applies them")
            )
            return found
        if newer:
            text = f"migrations: {len(newer)} are of a later version ({newer[-1][:60]}): run that version, or"
            found.append(Finding("warning", f"{text} restore a backup of this one"))
        else:
            found.append(Finding("ok", "migrations: the tables are those of this version"))
        orphans = await connection.fetchrow(_ORPHANS)
        if orphans["leases"]:
            text = f"leases: {orphans['leases']} are of workers that are gone ({orphans['amount']} held)"
            found.append(
                Finding("warning", f"{text}; they are freed when the journals of those are replayed")
            )
        else:
            found.append(Finding("ok", "leases: none is orphaned"))
    except asyncpg.PostgresError as exc:
        cure = "; `just migrate` makes the tables" if isinstance(exc, asyncpg.UndefinedTableError) else ""
        found.append(Finding("error", f"database: {type(exc).__name__}{cure}"))
    finally:
        await connection.close()
    return found


def _of_journals(settings: Settings) -> list[Finding]:
    folder = settings.journals
    try:
        waiting = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    except OSError as exc:
        return [Finding("error", f"journals: {folder}: {exc.strerror}")]
    many = waiting > settings.journal_mb * 1024 * 1024 // 2
    return [Finding("warning" if many else "ok", f"journals: {waiting / 1e6:.1f} MB in {folder}")]


async def _of_address(url: str, name: str) -> Finding:
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except (OSError, TimeoutError) as exc:
        return Finding("error", f"{name}: {url} can't be reached ({type(exc).__name__})")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return Finding("ok", f"{name}: {url} takes connections")


async def _of_certificate(url: str) -> Finding:
    parts = urlsplit(url)
    context = ssl.create_default_context()
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
    except ssl.SSLCertVerificationError as exc:
        return Finding("error", f"TLS: {url}: {exc.verify_message}")
    except (OSError, TimeoutError) as exc:
        return Finding("warning", f"TLS: {url} can't be reached from here ({type(exc).__name__})")
    told = writer.get_extra_info("peercert")["notAfter"]
    writer.close()
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(told), UTC)
    days = (ends - datetime.now(UTC)).days
    return Finding("warning" if days < FEW_DAYS else "ok", f"TLS: {url}: the certificate ends in {days} days")
