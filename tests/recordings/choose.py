"""`python -m tests.recordings.choose FOLDER`: choose the smallest recordings that show each thing once.

FOLDER holds all recordings, one file for each provider. The chosen ones go to `tests/recordings/providers`.
For each provider and operation, streamed and plain, they are the smallest exchanges that together have every
feature and every status.
"""

import json
import sys
from pathlib import Path
from typing import Any  # JSON of others

KEPT = Path(__file__).parent / "providers"
MOST_BYTES = 2_900_000


def shown_by(exchange: dict[str, Any]) -> set[tuple[object, ...]]:
    """The features and other facts that an exchange is an example of."""
    kind = (exchange["provider"], exchange["operation"], exchange["streaming"])
    features = {(*kind, feature) for feature in exchange["features"]}
    return {kind, (*kind, exchange["response"]["status"]), *features}


def choose(lines: list[bytes]) -> list[bytes]:
    """The chosen lines. The line that shows the most new features for its size is chosen, again and again."""
    left = {line: shown_by(json.loads(line)) for line in lines}
    chosen: list[bytes] = []
    while left:
        best = max(left, key=lambda line: len(left[line]) / (len(line) + 500))
        new = left.pop(best)
        if not new:
            break
        chosen.append(best)
        left = {line: rest - new for line, rest in left.items()}
    return sorted(chosen, key=lines.index)


def main(folder: Path) -> None:
    KEPT.mkdir(exist_ok=True)
    size = 0
    for path in sorted(folder.glob("*.jsonl")):
        chosen = choose(path.read_bytes().splitlines())
        (KEPT / path.name).write_bytes(b"".join(line + b"\n" for line in chosen))
        size += sum(map(len, chosen))
        sys.stdout.write(f"{path.name}: {len(chosen)}\n")
    sys.stdout.write(f"{size / 1e6:.2f} MB\n")
    if size > MOST_BYTES:
        sys.exit(f"more than {MOST_BYTES / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
