"""The ledger with a list where the writer would be: every rule of booking is the real one."""

from functions.context import Bounds, Call
from models_registry.target import Target
from runtime.admission import NOTHING_HELD, Admission
from runtime.ledger import BookedLedger
from schema.spend import Charge, SpendRow


class ListSink:
    def __init__(self) -> None:
        self.rows: list[SpendRow] = []
        self.full = False

    def put(self, row: SpendRow) -> None:
        self.rows.append(row)


class NoLimits:
    """Lets everything in."""

    async def admit(self, call: Call, target: Target, bounds: Bounds, customer: str | None) -> Admission:
        return NOTHING_HELD

    def settle(self, admission: Admission, row: SpendRow) -> tuple[Charge, ...]:
        return ()


class FakeLedger(BookedLedger):
    """`rows` is what was booked; set `sink.full` to have new calls refused."""

    def __init__(self) -> None:
        self.sink = ListSink()
        super().__init__(self.sink, NoLimits())

    @property
    def rows(self) -> list[SpendRow]:
        return self.sink.rows
