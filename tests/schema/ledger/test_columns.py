"""The one table of the ledger's columns, and that of its measures, against every list that is written by
hand."""

import msgspec
import pytest
from piccolo.columns import Column

from runtime.books.insert import COLUMN_NAMES, stored
from runtime.books.stored_row import spend_row
from schema.ledger.columns import COLUMNS
from schema.ledger.measures import MEASURE_NAMES, MEASURES
from schema.ledger.rows import Charge, Outcome, SpendRow
from schema.ledger.sums import Metrics
from schema.spend import SpendLog, spend_log
from schema.tables import spend_logs
from schema.tables.rollups import DailyEndUserTotal, SumColumns
from schema.usage import RareMeters
from tests.runtime.attempts import make_row

MADE_ELSEWHERE = {"created_at", "updated_at", "correction", "reason", "corrected_by"}
"""Columns that no row of the bookkeeper has: defaults, and what corrections say."""
FULL = make_row(
    "req-9-a1",
    organization_id="acme",
    project_id="alpha",
    end_user="eve",
    key_id="key-1",
    session_id="session",
    tags=("a", 'b"'),
    outcome=Outcome.FAILED,
    http_status=429,
    error_class="ProviderError",
    error_message="Slow down.",
    price_version="v1",
    service_tier="flex",
    rare=RareMeters(web_searches=2),
    cost_parts=(1_000_000, 234_567, 0, 0, 0, 0, 0, 0),
    estimated=True,
    input_reported=True,
    corrects="req-8",
    final=False,
    held_nano=7,
    cache_saved_nano=2_111_103,
    response_id="chatcmpl-9",
    trace_id="trace",
    spend_logs_metadata='{"run":[1,"é"]}',
    route='{"strategy":"least-busy","id":"a"}',
    cache_hit=True,
    guardrails='[{"guardrail_name":"shield","guardrail_status":"success"}]',
    charges=(Charge("budget:1", 3, "w", 1, 2, "", "", ""),),
)


def columns_of(table: type) -> dict[str, Column]:
    return {str(column._meta.db_column_name): column for column in table._meta.columns}  # type: ignore[attr-defined]


def types_of(table: type, *, without: set[str]) -> dict[str, str]:
    found = columns_of(table).items()
    return {name: type(column).__name__.lower() for name, column in found if name not in without}


def test_the_table_has_each_column_with_its_type_and_no_other() -> None:
    expected = {column.name: column.sql_type for column in COLUMNS}
    assert types_of(spend_logs.SpendLog, without=MADE_ELSEWHERE) == expected


@pytest.mark.parametrize("row", [FULL, make_row()])
def test_a_row_comes_back_from_its_columns(row: SpendRow) -> None:
    (values,) = zip(*stored([row]), strict=True)
    found = spend_row(dict(zip(COLUMN_NAMES, values, strict=True)))
    assert found == msgspec.structs.replace(row, key_id="", charges=())


def test_columns_of_another_hand_that_are_null_are_read_as_nothing() -> None:
    empty = {column.name: None for column in COLUMNS}
    (values,) = zip(*stored([make_row()]), strict=True)
    kept = dict(zip(COLUMN_NAMES, values, strict=True))
    nulls = {name for name, column in columns_of(spend_logs.SpendLog).items() if column._meta.null}
    row = spend_row(kept | {name: value for name, value in empty.items() if name in nulls})
    assert (row.call_id, row.user_id, row.provider, row.tags, row.duration_ms) == ("req-1", "", "", (), 0)


def test_an_answer_has_each_of_its_fields_from_the_column_of_that_name() -> None:
    log = spend_log(FULL)
    assert (log.api_key, log.status, log.outcome, log.user) == (FULL.key_hash, "failure", "failed", "alice")
    assert {field.encode_name for field in msgspec.structs.fields(SpendLog)} <= {
        each.name for each in COLUMNS
    }
    assert msgspec.convert(msgspec.to_builtins(log), SpendLog) == log, "each value has its field's type"


def test_every_measure_is_a_column_of_the_sums_and_a_metric_of_reports() -> None:
    expected = {each.name: "numeric" if each.is_money else "bigint" for each in MEASURES}
    plain = {"id", "date", "end_user", "created_at", "updated_at"}
    assert types_of(DailyEndUserTotal, without=plain) == expected
    assert set(vars(SumColumns)) >= set(MEASURE_NAMES)
    assert set(Metrics.__struct_fields__) - {"total_tokens"} == set(MEASURE_NAMES)
