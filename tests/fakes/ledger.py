"""The ledger with a list where the journal would be: every rule of booking is the real one."""

from functions.contract.call import Call
from functions.ports.models import Bounds
from models_registry.target import Target
from runtime.ledger.attempts import BookedLedger
from runtime.limits.admission import NOTHING_HELD, Admission
from runtime.limits.governor import Debt
from schema.ledger.journal import Held, Settled, row_of
from schema.ledger.rows import SpendRow


class ListSink:
    """A sink in memory. `rows` are the rows as they will be booked, `held` the holds that have not ended."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, int], Held] = {}
        self.rows: list[SpendRow] = []
        self.full = False

    def hold(self, held: Held) -> None:
        self.held[held.key] = held

    def settle(self, settled: Settled) -> None:
        self.rows.append(row_of(self.held.pop(settled.key), settled))

    def put(self, row: SpendRow) -> None:
        self.rows.append(row)


class NoLimits:
    """Admissions that let every attempt in."""

    async def admit(self, call: Call, target: Target, bounds: Bounds, customer: str | None) -> Admission:
        return NOTHING_HELD

    def leaves_slot(self, admission: Admission) -> bool:
        return True

    def settle(self, admission: Admission, settled: Settled) -> Debt | None:
        return None

    def release(self, admission: Admission) -> None:
        return None


class FakeLedger(BookedLedger):
    """The real ledger on a list. `rows` are the booked rows. Set `sink.full` to have new calls refused."""

    def __init__(self) -> None:
        self.sink = ListSink()
        super().__init__(self.sink, NoLimits())

    @property
    def rows(self) -> list[SpendRow]:
        return self.sink.rows
