"""Prometheus's text format, version 0.0.4, in pieces.

A metric of a thousand models has thousands of lines. Each function here gives a few lines at a time, so that
the event loop can do something else in between. A piece may be empty.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from runtime.telemetry.timing import BUCKETS_MS, Timing

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (*(f"{ms / 1000:g}" for ms in BUCKETS_MS), "+Inf")
"""The upper bounds of the buckets in seconds, as the label `le` writes them: `0.005`, `+Inf`."""

LabelValues = tuple[str, ...]
"""The values of a series' labels, in the order of their names."""


def gauge(name: str, help_text: str, value: float) -> Iterator[str]:
    yield f"{_head(name, help_text, 'gauge')}{name} {float(value)!r}\n"


def gauges(
    name: str, help_text: str, labels: Sequence[str], found: Iterable[tuple[LabelValues, float]]
) -> Iterator[str]:
    """The lines of a gauge with labels. Nothing, where it has no value."""
    lines = [f"{name}{{{','.join(_pairs(labels, key))}}} {float(value)!r}\n" for key, value in found]
    if lines:
        yield "".join([_head(name, help_text, "gauge"), *lines])


def counter(
    name: str, help_text: str, labels: Sequence[str], found: Iterable[tuple[LabelValues, float]]
) -> Iterator[str]:
    """The lines of a counter. Values with the same labels are added up. The name gets the suffix `_total`."""
    sums: dict[LabelValues, float] = {}
    for key, value in found:
        sums[key] = sums.get(key, 0) + value
        yield ""
    name = f"{name}_total"
    yield _head(name, help_text, "counter")
    for key, value in sums.items():
        said = ",".join(_pairs(labels, key))
        yield f"{name}{{{said}}} {float(value)!r}\n" if said else f"{name} {float(value)!r}\n"


def histogram(
    name: str, help_text: str, labels: Sequence[str], found: Iterable[tuple[LabelValues, Timing]]
) -> Iterator[str]:
    """The lines of a histogram. Timings with the same labels are added up. A series without a count is left
    out."""
    sums: dict[LabelValues, Timing] = {}
    for key, timing in found:
        if any(timing.counts):
            sums.setdefault(key, Timing()).merge(timing)
        yield ""
    yield _head(name, help_text, "histogram")
    for key, timing in sums.items():
        said = ",".join(_pairs(labels, key))
        start, counts = f'{name}_bucket{{{said},le="', list(accumulate(timing.counts))
        lines = [f'{start}{bound}"}} {count}.0\n' for bound, count in zip(BOUNDS, counts, strict=True)]
        lines.append(f"{name}_count{{{said}}} {counts[-1]}.0\n")
        lines.append(f"{name}_sum{{{said}}} {timing.sum_ms / 1000!r}\n")
        yield "".join(lines)


def _head(name: str, help_text: str, kind: str) -> str:
    said = help_text.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {name} {said}\n# TYPE {name} {kind}\n"


def _pairs(labels: Sequence[str], key: LabelValues) -> Iterator[str]:
    for label, value in zip(labels, key, strict=True):
        said = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        yield f'{label}="{said}"'
