import asyncio

from functions.contract.function import Text
from functions.metrics import metrics
from functions.ports.context import MetricsContext
from schema.metrics import MetricsQuery

COUNTED = Text(media_type="text/plain; version=0.0.4", content="switchgear_requests_total 1\n")


class FakeMetrics:
    async def text(self) -> Text:
        return COUNTED


def test_what_was_counted_is_answered_as_it_is() -> None:
    answer = asyncio.run(metrics(MetricsQuery(), MetricsContext(metrics=FakeMetrics())))
    assert answer == COUNTED
