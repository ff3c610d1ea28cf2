"""Recorded exchanges with real providers: one JSON object a line."""

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec

OWN = Path(__file__).parents[2] / "recordings"
"""The folder of the recordings that were made of the embedded model."""
_ALL = Path(__file__).parents[3] / "../shared/recordings"
FOLDER = _ALL if _ALL.exists() else OWN / "providers"
"""All recordings where the machine has them, else the chosen ones of this repository."""


def enough(of_all: int) -> int:
    """The least number of exchanges that a test has to see. `of_all` is the number where all recordings are
    there."""
    return of_all if FOLDER is _ALL else of_all // 20


class Recorded(msgspec.Struct, frozen=True):
    body: str = ""
    url: str | None = None


class RecordedAnswer(msgspec.Struct, frozen=True):
    status: int
    body: str
    headers: dict[str, str] = {}
    body_encoding: str | None = None


class Exchange(msgspec.Struct, frozen=True):
    id: str
    provider: str
    operation: str
    streaming: bool
    features: list[str]
    request: Recorded
    response: RecordedAnswer
    body_encoding: str | None = None
    model: str | None = None

    @property
    def body(self) -> bytes:
        if self.response.body_encoding == "base64":
            return base64.b64decode(self.response.body)
        return self.response.body.encode()


def exchanges(operation: str, *providers: str, folder: Path = FOLDER) -> Iterator[Exchange]:
    """All exchanges with that operation, of these providers or of all."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            exchange = msgspec.json.decode(line, type=Exchange)
            if exchange.operation == operation and (not providers or exchange.provider in providers):
                yield exchange
