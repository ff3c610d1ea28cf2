"""Writes correction rows: what an admin, a provider's bill or other prices say that a call cost.

A booked row is never changed. Its correction is another row, with the same owner, model and time, and with
the difference. One transaction writes the correction and changes the counters. It locks rows first, then
accounts, then counters, as booking does.

The lock on the original row makes two corrections of one row follow each other. A correction gives the cost
that the row should have in all. So the same correction, made twice, writes nothing the second time.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import asyncpg
import msgspec
from piccolo.columns import BigInt, Integer, Numeric

from functions.contract.call import Call
from functions.contract.roles import Scope
from models_registry.bills.lines import Booked
from runtime.books import rollups
from runtime.books.stored_row import spend_row
from runtime.corrections.booked_days import booked_days
from runtime.corrections.charges import Difference, charge
from runtime.corrections.rows import COUNTS, found_row, locked_rows, open_rows, priced_rows
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from schema.corrections import OVERRULED, Corrected, Correction, CorrectionKind, Made, UncertainQuery
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import SpendRow
from schema.money import plain_usd, usd
from schema.recosting import RecostRequest
from schema.tables import naive
from schema.tables.spend_logs import SpendLog

MAX_AT_ONCE = 500
LOCK_TIMEOUT = "5s"
TABLE = "LiteLLM_SpendLogs"

_PRICED = ("price_source", "price_version", "price_effective")
_CHANGED = ("request_id", "call_type", "spend", "total_tokens", *COUNTS, *_PRICED, "estimated")
_DIFFERENCE: Mapping[str, str] = MappingProxyType(
    {"request_id": "text", "started_at": "timestamp", "row_id": "text", "spend": "numeric"}
    | dict.fromkeys(COUNTS, "bigint")
    | {"priced": "boolean", "price_source": "text", "price_version": "text", "price_effective": "date"}
)
"""The arrays that the INSERT takes, in their order, and the SQL type of each."""
_MADE = ("corrects", "correction", "reason", "corrected_by")
_LEFT_OUT = frozenset(
    {"created_at", "updated_at", "completionStartTime", "error_class", "error_message", "charged"}
)
"""The columns that a correction does not copy. They say when a row was made, or belong to the call alone."""
_COPIED = ("http_status",)
"""The numbers that a correction copies. The other numbers are sums."""
_METADATA = "o.metadata - '{usage_object,cost_breakdown,cache_saved,additional_usage_values}'::text[]"
"""The metadata of a correction: the original's without its sums."""


class CorrectionWriter:
    """Writes corrections, and reads rows for them. Implements `functions.ports.spend.Corrections`. Every
    method raises DatabaseUnavailable, or Overloaded where somebody else has the same rows locked for long."""

    def __init__(self, database: Database, reports: Database) -> None:
        """`database` writes. `reports` is for reads of rows that are not being changed."""
        self._database = database
        self._reports = reports

    async def correct(
        self, corrections: Sequence[Correction], *, kind: CorrectionKind, reason: str, call: Call
    ) -> list[Made]:
        """Write the corrections that change something, all or none. Corrections of rows that do not exist are
        left out. Raises InvalidRequest for a row that is itself a correction."""
        assert len(corrections) <= MAX_AT_ONCE, "batches are bounded"
        wanted = {each.request_id: each for each in corrections}
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                return await _correct(connection, wanted, kind=kind, reason=reason, call=call)

    async def find(self, request_id: str) -> Corrected | None:
        """One row with its corrections. None where no row has this id."""
        with asking():
            async with self._reports.connection() as connection:
                return await found_row(connection, request_id)

    async def priced(self, request: RecostRequest) -> AsyncIterator[list[Corrected]]:
        """The rows that have a price, or should have one, oldest first, in batches of 500. They are read
        through a cursor of Postgres, so that neither Postgres nor the worker holds more than a batch."""
        with asking():
            async with self._reports.connection() as connection, connection.transaction(readonly=True):
                batch: list[Corrected] = []
                async for row in priced_rows(connection, request):
                    batch.append(row)
                    if len(batch) == MAX_AT_ONCE:
                        yield batch
                        batch = []
                if batch:
                    yield batch

    async def booked(self, start: datetime, end: datetime, *, provider: str | None) -> list[Booked]:
        """The booked days of a period, for reconciliation. Raises InvalidRequest for a period with too many
        rows."""
        view = {"isolation": "repeatable_read", "readonly": True}
        with asking():
            async with self._reports.connection() as connection, connection.transaction(**view):
                return await booked_days(connection, start, end, provider=provider)

    async def uncertain(self, query: UncertainQuery, *, scope: Scope) -> list[Corrected]:
        """One page of the rows with a cost that is still an upper bound. Raises InvalidRequest for a bad date
        or cursor."""
        with asking():
            async with self._reports.connection() as connection:
                return await open_rows(connection, query, scope)


async def _correct(
    connection: asyncpg.Connection,
    wanted: dict[str, Correction],
    *,
    kind: CorrectionKind,
    reason: str,
    call: Call,
) -> list[Made]:
    await connection.execute("SELECT set_config('switchgear.bookkeeping', 'on', true)")
    found = await locked_rows(connection, list(wanted))
    decided = [(decide(row, wanted[row.original.request_id], kind), record) for row, record in found]
    changed = [(made, record) for made, record in decided if made.row_id is not None]
    if changed:
        rows = await _insert(
            connection,
            [(made, wanted[made.before.original.request_id]) for made, _ in changed],
            (kind.value, reason, call.caller.user_id),
        )
        await _audit(connection, [made for made, _ in changed], kind=kind, reason=reason, call=call)
        await charge(
            connection,
            [
                Difference.of(record, made.cost_nano - made.before.cost_nano)
                for made, record in changed
                if made.cost_nano != made.before.cost_nano
            ],
        )
        await rollups.add(connection, rows)
    return [made for made, _ in decided]


def decide(before: Corrected, correction: Correction, kind: CorrectionKind) -> Made:
    """What to write for a correction. `row_id` is None where nothing is to be written: the row has this cost
    already, or a correction of a stronger kind overrules this one. Raises InvalidRequest for a row that is
    itself a correction."""
    original = before.original
    if original.corrects is not None:
        raise InvalidRequest(
            f"request_id: {original.request_id} is itself a correction; correct {original.corrects}.",
            param="request_id",
        )
    if before.kinds & OVERRULED[kind]:
        return Made(before=before, cost_nano=before.cost_nano, row_id=None, overruled=True)
    same_usage = correction.usage is None or all(
        getattr(correction.usage, name) == getattr(before.usage, name) for name in COUNTS
    )
    settles = before.is_open and kind is not CorrectionKind.RECOST  # a row says also that the bound was right
    if correction.cost_nano == before.cost_nano and same_usage and not settles:
        return Made(before=before, cost_nano=before.cost_nano, row_id=None)
    row_id = f"{original.request_id}-c{before.count + 1}"
    return Made(before=before, cost_nano=correction.cost_nano, row_id=row_id)


async def _insert(
    connection: asyncpg.Connection, made: Sequence[tuple[Made, Correction]], why: tuple[str, str, str]
) -> list[SpendRow]:
    """Insert the correction rows: copies of their originals, with other sums. Gives the inserted rows."""
    differences = [[_difference(each, correction, name) for name in COUNTS] for each, correction in made]
    rows = await connection.fetch(
        _INSERT,
        [each.before.original.request_id for each, _ in made],
        [naive(each.before.original.started_at) for each, _ in made],
        [each.row_id for each, _ in made],
        [usd(each.cost_nano - each.before.cost_nano) for each, _ in made],
        *([row[place] for row in differences] for place in range(len(COUNTS))),
        [correction.priced is not None for _, correction in made],
        [correction.priced and correction.priced.source for _, correction in made],
        [correction.priced and correction.priced.version for _, correction in made],
        [correction.priced and correction.priced.effective for _, correction in made],
        *why,
    )
    return [spend_row(row) for row in rows]


def _difference(made: Made, correction: Correction, name: str) -> int:
    after = made.before.usage if correction.usage is None else correction.usage
    return int(getattr(after, name)) - int(getattr(made.before.usage, name))


def _insertion() -> str:
    """The INSERT statement, made from the table's columns. It copies every column of the original that is no
    sum, except for the columns in `_CHANGED`, `_MADE` and `_LEFT_OUT`."""
    kept: list[tuple[str, bool]] = []
    zeroed: list[tuple[str, bool]] = []
    for column in SpendLog._meta.columns:
        name = str(column._meta.db_column_name)
        if name in (*_CHANGED, *_MADE) or name in _LEFT_OUT:
            continue
        is_sum = isinstance(column, (BigInt, Integer, Numeric)) and name not in _COPIED
        (zeroed if is_sum else kept).append((name, column._meta.null))
    names = [*_CHANGED, *_MADE, *(name for name, _ in kept), *(name for name, _ in zeroed)]
    values = [
        "d.row_id",
        "'correction'",
        "d.spend",
        "d.prompt_tokens + d.completion_tokens",
        *(f"d.{name}" for name in COUNTS),
        *(f"CASE WHEN d.priced THEN d.{name} ELSE o.{name} END" for name in _PRICED),
        "false",
        "o.request_id",
        *(f"${len(_DIFFERENCE) + place}" for place in (1, 2, 3)),
        *(_METADATA if name == "metadata" else f'o."{name}"' for name, _ in kept),
        *("NULL" if null else "0" for _, null in zeroed),
    ]
    listed = ", ".join(f'"{name}"' for name in names)
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(_DIFFERENCE.values(), 1))
    return f"""
        INSERT INTO "{TABLE}" ({listed})
        SELECT {", ".join(values)}
        FROM unnest({arrays}) AS d({", ".join(_DIFFERENCE)})
        JOIN "{TABLE}" o ON o.request_id = d.request_id AND o."startTime" = d.started_at
        RETURNING *
    """


_INSERT = _insertion()

_AUDIT = """
    INSERT INTO "LiteLLM_AuditLog" (id, changed_by, changed_by_api_key, action, table_name, object_id,
        before_value, updated_values, claimed_by, source_address, request_id, database_user)
    SELECT gen_random_uuid()::text, $4, $5, 'corrected', $6, a.object_id, a.before::jsonb, a.after::jsonb,
           $7, $8, $9, session_user
    FROM unnest($1::text[], $2::text[], $3::text[]) AS a(object_id, before, after)
"""


async def _audit(
    connection: asyncpg.Connection, made: Sequence[Made], *, kind: CorrectionKind, reason: str, call: Call
) -> None:
    """Write the corrections into the audit log. A trigger can't do this: it would run for every row of the
    ledger, and would not know what the row cost before."""
    await connection.execute(
        _AUDIT,
        [each.before.original.request_id for each in made],
        [_json({"spend": str(plain_usd(each.before.cost_nano))}) for each in made],
        [
            _json(
                {
                    "spend": str(plain_usd(each.cost_nano)),
                    "correction": kind.value,
                    "correction_id": each.row_id,
                    "reason": reason,
                }
            )
            for each in made
        ],
        call.caller.user_id,
        call.caller.key_hash,
        TABLE,
        call.claimed_by,
        call.client_ip,
        call.request_id,
    )


def _json(values: dict[str, str | None]) -> str:
    return msgspec.json.encode(values).decode()
