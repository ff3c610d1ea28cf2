"""The ledger with a list where the writer would be: every rule of booking is the real one."""

from runtime.ledger import BookedLedger
from schema.spend import SpendRow


class ListSink:
    def __init__(self) -> None:
        self.rows: list[SpendRow] = []
        self.full = False

    def put(self, row: SpendRow) -> None:
        self.rows.append(row)


class FakeLedger(BookedLedger):
    """`rows` is what was booked; set `sink.full` to have new calls refused."""

    def __init__(self) -> None:
        self.sink = ListSink()
        super().__init__(self.sink)

    @property
    def rows(self) -> list[SpendRow]:
        return self.sink.rows
