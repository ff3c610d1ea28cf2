"""`just bench`: the gateway beside the floor app, in one run, on one canned provider.

One worker each; the gateway with key auth, prices and spend rows on, called with a key without limits
(gateway), with one under a budget in a team under one (budgeted), and with one under limits on calls and
tokens too, in a team with a limit on calls (governed). The rounds alternate (floor, gateway, budgeted,
governed, floor, ...), so that what else happens on the machine meets all. The server under test has a core of
its own where there are two; the load, the provider and Postgres have the other.

CPU a call is that of all of a server's processes and threads, Postgres apart, over a round and what follows
it: what is booked after a round counts for the round. The best round counts, since nothing but other work on
the machine makes one slower; of rates the median is shown beside it.

    --quick           about a minute
    --json PATH       where the figures go (default: bench-results/<time>.json), and a picture beside them
    --stages          what a call costs inside a worker, stage by stage (`tests/bench/stages.py`)
    --peer COMMAND    another gateway in the same rounds, such as
                      --peer './bifrost --port 8080' --url http://127.0.0.1:8080 --key sk-x --ready /health
                      `{upstream}` in COMMAND stands for the provider's API base
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil

from tests.bench import servers, stages
from tests.bench.figures import SHAPES, Figures, Memory, Result, Round, Shape, table
from tests.bench.load import Load, generator, run
from tests.bench.picture import picture
from tests.bench.servers import Peer, Running

RESULTS = servers.ROOT / "bench-results"
WARM_UP_S = 1.0


def measure(server: Running, shape: Shape, seconds: float) -> Round:
    load = Load(
        url=f"{server.url}/v1", key=server.key, connections=shape.connections, streamed=shape.streamed
    )
    before = server.cpu_s()
    measured = run(load, seconds)
    server.rest()
    after = server.cpu_s()
    calls = max(1.0, measured.calls_per_s * seconds)
    return Round(
        load=measured,
        cpu_us=(after.served - before.served) / calls * 1e6,
        postgres_us=(after.postgres - before.postgres) / calls * 1e6,
    )


def bench(rounds: int, seconds: float, wanted: Peer | None) -> Result:
    servers.pin_load()
    with servers.canned() as upstream, _running(upstream, wanted) as called:
        own = {shape.name: run(_provider_load(upstream, shape), seconds) for shape in SHAPES}
        taken: dict[str, dict[str, list[Round]]] = {server.name: {} for server in called}
        for shape in SHAPES:
            for server in called:
                run(Load(url=f"{server.url}/v1", key=server.key, connections=shape.connections), WARM_UP_S)
                server.rest()
            for _ in range(rounds):
                for server in called:
                    taken[server.name].setdefault(shape.name, []).append(measure(server, shape, seconds))
        figures = {server.name: _figures_of(server, taken[server.name]) for server in called}
    return Result(
        at=datetime.now(UTC),
        generator=generator(),
        machine=platform.platform(),
        cores=psutil.cpu_count() or 0,
        pinned=bool(servers.SERVER_CORES),
        python=platform.python_version(),
        rounds=rounds,
        seconds_a_round=seconds,
        provider=own,
        servers=figures,
    )


@contextmanager
def _running(upstream: str, wanted: Peer | None) -> Iterator[Sequence[Running]]:
    with servers.floor(upstream) as floor, servers.gateway(upstream) as gateway:
        called = [
            floor,
            gateway,
            msgspec.structs.replace(gateway, name="budgeted", key=gateway.budgeted_key),
            msgspec.structs.replace(gateway, name="governed", key=gateway.governed_key),
        ]
        if wanted is None:
            yield called
            return
        with servers.peer(wanted, upstream) as peer:
            yield [*called, peer]


def _provider_load(upstream: str, shape: Shape) -> Load:
    return Load(url=upstream, key="sk-upstream", connections=shape.connections, streamed=shape.streamed)


def _figures_of(server: Running, rounds: dict[str, list[Round]]) -> Figures:
    memory = Memory(worker=server.worker_rss_mb(), tree=server.rss_mb(), postgres=server.postgres_mb())
    return Figures(rounds=rounds, memory=memory, ready_s=server.ready_s)


def main(argv: list[str]) -> int:
    """Gives 1 where calls failed: a rate with errors in it says nothing."""
    parser = argparse.ArgumentParser(
        prog="just bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--stages", action="store_true")
    parser.add_argument("--peer")
    parser.add_argument("--url")
    parser.add_argument("--key", default="sk-none")
    parser.add_argument("--ready", default="/health")
    arguments = parser.parse_args(argv)
    if arguments.stages:
        stages.main([])
        return 0
    if bool(arguments.peer) != bool(arguments.url):
        parser.error("--peer and --url belong together")
    wanted = None
    if arguments.peer:
        url = str(arguments.url).rstrip("/").removesuffix("/v1")
        wanted = Peer(command=arguments.peer, url=url, key=arguments.key, ready=arguments.ready)
    try:
        result = bench(2, 2, wanted) if arguments.quick else bench(5, 5, wanted)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    path: Path = arguments.json or RESULTS / time.strftime("%Y-%m-%dT%H%M%S.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(msgspec.to_builtins(result), indent=2) + "\n")
    path.with_suffix(".svg").write_text(picture(result))
    print(table(result))
    print(f"\nfigures: {path}\npicture: {path.with_suffix('.svg')}")
    return 1 if any(figures.errors for figures in result.servers.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
