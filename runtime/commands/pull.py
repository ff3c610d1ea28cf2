"""`switchgear pull llama3`: asks the door of the local models (`runtime/hosts/pull_door.py`) for one."""

import socket
from collections.abc import Mapping

from runtime.settings import SettingsError

CONNECT_S = 10.0
LINE_BYTES = 4096


def pull(env: Mapping[str, str], model: str) -> int:
    """Have a model pulled, and print how it goes. Gives the exit code. Raises SettingsError where there is no
    door, and OSError."""
    host, _, port = env.get("SWITCHGEAR_DOOR", "").rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError(
            "SWITCHGEAR_DOOR: there is no door for local models here; run `ollama pull` where Ollama runs, "
            "or POST /local/pull"
        )
    if not model.isascii() or not model.isprintable() or " " in model:
        raise SettingsError("expected one name of a model, such as llama3")
    with socket.create_connection((host, int(port)), CONNECT_S) as door:
        door.settimeout(None)  # a pull takes as long as it takes; the door ends what is silent
        door.sendall(f"pull {model}\n".encode())
        with door.makefile("rb") as lines:
            while line := lines.readline(LINE_BYTES):
                said = line.decode("utf-8", "replace").rstrip()
                if said == "done":
                    return 0
                shown = f"Error: {said.removeprefix('error ')}" if said.startswith("error ") else said
                print(shown, flush=True)
    return 1
