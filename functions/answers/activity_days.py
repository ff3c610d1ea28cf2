"""Turns sums into the days of an activity report, in LiteLLM's shape. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from schema.activity import ActivityDay, ActivityShare, ActivityTotals, Breakdown, KeyLabels, KeyMetrics
from schema.ledger.sums import Dimension, Metrics, Name, Sums, total

KINDS: Mapping[str, Dimension] = MappingProxyType(
    {
        "models": Dimension.MODEL,
        "model_groups": Dimension.MODEL_GROUP,
        "providers": Dimension.PROVIDER,
        "endpoints": Dimension.ENDPOINT,
    }
)
"""The dimensions that a day is broken down by, beside keys and the entities that the report is about."""

NamesById = Mapping[str, Name]
T = TypeVar("T")


def days_of_rows(
    rows: Sequence[Sums], entity: Dimension, *, keys: NamesById, entities: NamesById
) -> list[ActivityDay]:
    """The days of a report, the latest first, from rows that have every dimension. Each part of a day has
    each key's share in it."""
    by_day: dict[str, list[Sums]] = defaultdict(list)
    for row in rows:
        by_day[row.of[Dimension.DATE]].append(row)
    return [_day(day, by_day[day], entity, keys, entities) for day in sorted(by_day, reverse=True)]


def days_of_sums(
    sums: Sequence[Sums], entity: Dimension, *, keys: NamesById, entities: NamesById
) -> list[ActivityDay]:
    """The days of a report, the latest first, from sums by day, and sums by day and one other dimension."""
    days: dict[str, Metrics] = {}
    parts: dict[str, dict[Dimension, dict[str, Metrics]]] = defaultdict(lambda: defaultdict(dict))
    for each in sums:
        day = each.of[Dimension.DATE]
        if len(each.of) == 1:
            days[day] = each.metrics
        for kind, value in each.of.items():
            if kind is not Dimension.DATE:
                parts[day][kind][value] = each.metrics
    facts = _each(parts.values(), Dimension.API_KEY, lambda key: _facts(keys, key))
    called = _each(parts.values(), entity, lambda id: _called(entities, id, entity))
    return [
        ActivityDay(
            date=day,
            metrics=days[day],
            breakdown=Breakdown(
                **{
                    name: {value: ActivityShare(metrics=found) for value, found in parts[day][kind].items()}
                    for name, kind in KINDS.items()
                },
                api_keys={
                    key: KeyMetrics(metrics=found, metadata=facts[key])
                    for key, found in parts[day][Dimension.API_KEY].items()
                },
                entities={
                    id: ActivityShare(metrics=found, metadata=called[id])
                    for id, found in parts[day][entity].items()
                },
            ),
        )
        for day in sorted(days, reverse=True)
    ]


def totals_of(metrics: Metrics, *, page: int, total_pages: int) -> ActivityTotals:
    return ActivityTotals(
        total_spend=metrics.spend,
        total_prompt_tokens=metrics.prompt_tokens,
        total_completion_tokens=metrics.completion_tokens,
        total_tokens=metrics.total_tokens,
        total_api_requests=metrics.api_requests,
        total_successful_requests=metrics.successful_requests,
        total_failed_requests=metrics.failed_requests,
        total_cache_read_input_tokens=metrics.cache_read_input_tokens,
        total_cache_creation_input_tokens=metrics.cache_creation_input_tokens,
        page=page,
        total_pages=total_pages,
        has_more=page < total_pages,
    )


def _day(day: str, rows: list[Sums], entity: Dimension, keys: NamesById, entities: NamesById) -> ActivityDay:
    breakdown = Breakdown(
        **{name: _parts(rows, kind, keys) for name, kind in KINDS.items()},
        api_keys={
            key: KeyMetrics(metrics=_total(found), metadata=_facts(keys, key))
            for key, found in _grouped(rows, Dimension.API_KEY).items()
        },
        entities=_parts(rows, entity, keys, entities),
    )
    return ActivityDay(date=day, metrics=_total(rows), breakdown=breakdown)


def _parts(
    rows: list[Sums], kind: Dimension, keys: NamesById, called: NamesById | None = None
) -> dict[str, ActivityShare]:
    return {
        value: ActivityShare(
            metrics=_total(found),
            metadata={} if called is None else _called(called, value, kind),
            api_key_breakdown={
                key: KeyMetrics(metrics=_total(of_key), metadata=_facts(keys, key))
                for key, of_key in _grouped(found, Dimension.API_KEY).items()
            },
        )
        for value, found in _grouped(rows, kind).items()
    }


def _each(
    days: Iterable[Mapping[Dimension, Mapping[str, Metrics]]], kind: Dimension, made: Callable[[str], T]
) -> dict[str, T]:
    """What is made for each value of a dimension, once for all days."""
    return {value: made(value) for value in {value for day in days for value in day.get(kind, ())}}


def _grouped(rows: Iterable[Sums], kind: Dimension) -> dict[str, list[Sums]]:
    groups: dict[str, list[Sums]] = defaultdict(list)
    for row in rows:
        groups[row.of[kind]].append(row)
    return groups


def _total(rows: Sequence[Sums]) -> Metrics:
    return rows[0].metrics if len(rows) == 1 else total([row.metrics for row in rows])


def _facts(keys: NamesById, key: str) -> KeyLabels:
    name = keys.get(key)
    return KeyLabels() if name is None else KeyLabels(key_alias=name.alias, team_id=name.team_id)


def _called(names: NamesById, id: str, kind: Dimension) -> dict[str, str]:
    """The name of an entity in LiteLLM's shape: `{"team_alias": ...}`. Empty: it has no name."""
    name = names.get(id)
    if name is None or name.alias is None:
        return {}
    return {"alias" if kind is Dimension.END_USER else f"{kind.value.removesuffix('_id')}_alias": name.alias}
