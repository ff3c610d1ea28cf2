"""What a gateway does on a machine without a network. `tests/system/test_offline.py` runs this in a network
namespace of its own, as `python -m tests.system.offline FOLDER`; it prints what it found as one JSON object.

The names that anybody in the namespace asks for are recorded: the machine's `resolv.conf` names a resolver on
loopback, which knows no name.
"""

import fcntl
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.gateway import ROOT, SWITCHGEAR, Process, clean_environment, free_port, until
from tests.long.soak import days

SET_FLAGS, UP = 0x8914, 0x41
"""`SIOCSIFFLAGS`, and IFF_UP | IFF_RUNNING: https://man7.org/linux/man-pages/man7/netdevice.7.html"""
RESOLVER = "127.0.0.53"
PROOF = "recorded.example"
ASSET = re.compile(r'(?:src|href)="([^"]+)"')
NO_SUCH_NAME = 0x8183
MODEL = "smollm2-local"


class Resolver:
    """Answers every question with "no such name", and keeps the names."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((RESOLVER, 53))
        self._tcp = socket.create_server((RESOLVER, 53))
        for serve in (self._datagrams, self._streams):
            threading.Thread(target=serve, daemon=True).start()

    def _datagrams(self) -> None:
        while True:
            question, client = self._udp.recvfrom(4096)
            self._udp.sendto(self._answer(question), client)

    def _streams(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            with connection:
                question = connection.recv(4096)[2:]
                answer = self._answer(question)
                connection.sendall(struct.pack(">H", len(answer)) + answer)

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while at < len(question) and (size := question[at]):
            labels.append(question[at + 1 : at + 1 + size].decode("latin-1"))
            at += 1 + size
        self.names.append(".".join(labels))
        return question[:2] + struct.pack(">HHHHH", NO_SUCH_NAME, 1, 0, 0, 0) + question[12 : at + 5]


def loopback_up() -> None:
    """Switch the namespace's own loopback on. It is the only device here."""
    with socket.socket() as sock:
        fcntl.ioctl(sock, SET_FLAGS, struct.pack("16sh", b"lo", UP))


@contextmanager
def developing(folder: Path) -> Iterator[tuple[str, str]]:
    """`just dev`: its address and the admin's key."""
    port = free_port()
    env = {"SWITCHGEAR_DATA": str(folder / "data"), "SWITCHGEAR_BUILD_UI": "0"}
    process = Process(["dev", "--port", str(port)], env, folder / "dev.log")
    try:
        until(
            lambda: "Ctrl-C stops all of it" in process.log() or process.exit_code is not None,
            100,
            what="the banner",
        )
        key = re.findall(r"^Key +(sk-\S+)$", process.log(), re.MULTILINE)
        assert key, process.log()[-4000:]
        yield f"http://127.0.0.1:{port}", key[0]
        assert process.stop(signal.SIGINT, to_group=True) in (0, 130), process.log()[-4000:]
    except BaseException:
        process.kill_all()
        raise


def run(*words: str, env: dict[str, str]) -> str:
    """A command of ours; fails where it fails."""
    done = subprocess.run(
        [*SWITCHGEAR, *words],
        cwd=ROOT,
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout + done.stderr


def walk(folder: Path) -> dict[str, Any]:
    """Everything that works without a network, and what each answered."""
    found: dict[str, Any] = {}
    began = time.monotonic()
    with developing(folder) as (url, key):
        found["url"] = url
        found["start_s"] = round(time.monotonic() - began, 1)
        admin = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, timeout=60) as browser:
            told = browser.post("/login", data={"username": "admin", "password": key})
            found["sign_in"] = told.status_code
            page = browser.get("/ui/", headers={"accept": "text/html"}, follow_redirects=True)
            assets = {str(page.url.join(each)) for each in ASSET.findall(page.text) if each[:5] != "data:"}
            found["ui"] = page.status_code
            found["assets"] = {each: browser.get(each).status_code for each in assets}
            found["me"] = browser.get("/v1/me").status_code
        ask = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
        answer = httpx.post(f"{url}/v1/chat/completions", json=ask, headers=admin, timeout=60)
        found["chat"] = answer.status_code
        found["answer"] = answer.json()

        def rows() -> Any:
            return httpx.get(f"{url}/spend/logs", headers=admin, timeout=30).json()

        until(lambda: len(rows()) == 1, 30, what="the row")
        (row,) = rows()
        found["row"] = {name: row[name] for name in ("model_group", "spend", "outcome")}
        activity = httpx.get(f"{url}/global/activity?{days()}", headers=admin, timeout=30)
        found["report"] = (activity.status_code, activity.json())
        env = {"SWITCHGEAR_DATA": str(folder / "data")}
        found["backup"] = run("backup", str(folder / "backup.zip"), "--port", url.rpartition(":")[2], env=env)
        found["backup_bytes"] = (folder / "backup.zip").stat().st_size
        found["doctor"] = run("doctor", "--offline", env=env)
    return found


def main() -> None:
    loopback_up()
    resolver = Resolver()
    with suppress(socket.gaierror):
        socket.getaddrinfo(PROOF, 443)
    folder = Path(sys.argv[1])
    found = walk(folder)
    sys.stdout.write(json.dumps({**found, "names": sorted(set(resolver.names))}) + "\n")


if __name__ == "__main__":
    main()
