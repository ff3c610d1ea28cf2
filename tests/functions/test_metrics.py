import asyncio

from functions.contract.function import TextReply
from functions.metrics import metrics
from functions.ports.context import OperationsContext
from schema.metrics import MetricsQuery
from tests.fakes.ports import ABSENT

COUNTED = TextReply(media_type="text/plain; version=0.0.4", content="switchgear_requests_total 1\n")


class FakeMetrics:
    async def text(self) -> TextReply:
        return COUNTED


def test_what_was_counted_is_answered_as_it_is() -> None:
    context = OperationsContext(
        deployments=ABSENT, metrics=FakeMetrics(), alerts=ABSENT, readiness=ABSENT, paths=()
    )
    answer = asyncio.run(metrics(MetricsQuery(), context))
    assert answer == COUNTED
