"""Providers' cost exports: each has its own columns, and an error says what is wrong with a file."""

from datetime import date

import pytest

from models_registry.bills.exports import MAX_BYTES, Billed, read_export
from schema.errors.requests import InvalidRequest
from schema.usage import Usage

OPENAI_COSTS = """\
start_time,end_time,start_time_iso,amount_value,amount_currency,line_item,project_id
1772323200,1772409600,2026-03-01T00:00:00+00:00,0.0000125,usd,"gpt-4o-2024-08-06, input",p
1772323200,1772409600,2026-03-01T00:00:00+00:00,1.5e-7,usd,"gpt-4o-2024-08-06, output",p
1772409600,1772496000,2026-03-02T00:00:00+00:00,,,,
1772409600,1772496000,2026-03-02T00:00:00+00:00,2,USD,"o3, input",p
"""
ANTHROPIC_COSTS = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type
2026-03-01,Claude Haiku 4.5,Default,key,message,\u2264 200k,input_no_cache,0.05,0.05,token
2026-03-01,Claude Haiku 4.5,Default,key,message,\u2264 200k,output,0.11,0.11,token
"""
ANTHROPIC_USAGE = """\
usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count
2026-03-01,claude-haiku-4-5-20251001,100,20,5,1000,7,0
2026-03-01,claude-haiku-4-5-20251001,"1,000",0,0,0,3,0
"""
OPENAI_USAGE = """\
start_time,end_time,input_tokens,output_tokens,num_model_requests,model,input_cached_tokens
1772323200,1772409600,100,7,2,gpt-4o-2024-08-06,40
"""
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)


def test_openais_costs_are_summed_by_the_model_of_their_line_item() -> None:
    export = read_export(OPENAI_COSTS)
    assert (export.format, export.provider, export.has_costs) == ("openai_costs", "openai", True)
    assert export.billed == (
        Billed(day=FIRST, model="gpt-4o-2024-08-06", cost_nano=12_650),
        Billed(day=SECOND, model="o3", cost_nano=2 * 10**9),
    )


def test_openais_costs_that_are_not_grouped_have_no_model() -> None:
    (billed,) = read_export("start_time,amount_value,amount_currency\n1772323200,0.06,usd\n").billed
    assert (billed.day, billed.model, billed.cost_nano) == (FIRST, "", 60_000_000)


def test_anthropics_costs_can_be_off_by_half_a_cent_a_line() -> None:
    export = read_export(ANTHROPIC_COSTS)
    assert (export.format, export.provider) == ("anthropic_costs", "anthropic")
    assert export.billed == (
        Billed(day=FIRST, model="Claude Haiku 4.5", cost_nano=160_000_000, tolerance_nano=10_000_000),
    )


def test_usage_counts_all_input_whatever_the_columns_of_the_provider() -> None:
    (billed,) = read_export(ANTHROPIC_USAGE).billed
    assert billed.usage == Usage(
        prompt_tokens=2_125, completion_tokens=10, cached_tokens=1_000, cache_write_tokens=25
    )
    export = read_export(OPENAI_USAGE)
    assert export.billed[0].usage == Usage(prompt_tokens=100, completion_tokens=7, cached_tokens=40)
    assert (export.format, export.has_costs) == ("openai_usage", False)


@pytest.mark.parametrize(
    "text",
    [
        "date,model,cost\n2026-03-01,m,0.5\n",
        "\ufeffCost, MODEL ,Date\r\n$0.5,m,2026-03-01\r\n\r\n",
        "day;cost;model\n2026-03-01;0.25;m\n2026-03-01;0.25;m\n",
        "date\tmodel\tcost_usd\n2026-03-01T23:30:00-00:30\tm\t0\n2026-03-01 10:00\tm\t0.5",
    ],
)
def test_columns_may_be_in_any_order_and_case(text: str) -> None:
    totals: dict[str, int] = {}
    for each in read_export(text).billed:
        totals[each.model] = totals.get(each.model, 0) + each.cost_nano
    assert totals == {"m": 500_000_000}


def test_a_time_with_an_offset_falls_on_its_utc_day() -> None:
    text = "date,model,cost\n2026-03-01T23:30:00-01:00,m,1"
    assert read_export(text).billed[0].day == SECOND


def test_digits_of_prices_a_token_are_summed_before_they_are_rounded() -> None:
    lines = "2026-03-01,m,0.0000000004\n" * 5
    assert read_export(f"date,model,cost\n{lines}").billed[0].cost_nano == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "header"),
        ("\n\n", "header"),
        ("date,model,cost\n", "no line"),
        ("date,model\n2026-03-01,m", "no column cost or cost_usd .of plain"),
        ("usage_date_utc,model,token_type\n2026-03-01,m,x", "no column cost_usd .of anthropic_costs"),
        ("start_time,amount,line_item\n1,2,3", "no column amount_value .of openai_costs"),
        ("date,model,cost\n2026-02-30,m,1", "line 2.*date"),
        ("date,model,cost\n9999-12-31,m,1", "line 2.*2000 to 2999"),
        ("date,model,cost\n0001-01-01T00:00:00+23:59,m,1", "line 2.*date"),
        ("date,model,cost\n9999-12-31T23:59:59-23:59,m,1", "line 2.*date"),
        ("date,model,cost\n2026-03-01,,1", "line 2.*model"),
        ("date,model,cost\n2026-03-01,m,much", "line 2.*amount"),
        ("date,model,cost\n2026-03-01,m,NaN", "line 2.*amount"),
        ("date,model,cost\n2026-03-01,m,1e12", "line 2.*amount"),
        ("date,model,cost\n2026-03-01,m,1e-999999", "line 2.*digits"),
        ("date,model,cost\n2026-03-01,m,1\n2027-05-01,m,1", "400 days"),
        ('date,model,cost\n2026-03-01,"' + "m" * 200_000 + '",1', "line 2"),
        ("start_time,amount_value,amount_currency\n1772323200,1,eur", "line 2.*eur"),
        (OPENAI_USAGE.replace("100", "-1"), "line 2.*tokens"),
        ("x" * (MAX_BYTES + 1), "16 MiB"),
    ],
)
def test_what_is_wrong_with_an_export_is_said(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as refused:
        read_export(text)
    assert refused.value.param == "csv"


def test_an_export_has_at_most_so_many_lines() -> None:
    with pytest.raises(InvalidRequest, match="lines"):
        read_export("date,model,cost\n" + "2026-03-01,m,1\n" * 200_000)


def test_an_export_has_at_most_so_many_days_of_models() -> None:
    with pytest.raises(InvalidRequest, match="days of models"):
        read_export("date,model,cost\n" + "\n".join(f"2026-03-01,m{n},1" for n in range(50_001)))
