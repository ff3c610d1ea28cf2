"""`switchgear pull` at a door of the test's own."""

import socket
import threading

import pytest

from runtime.commands.pull import pull
from runtime.settings import SettingsError


@pytest.mark.parametrize(
    ("answer", "code", "printed"),
    [
        (b"pulling 10%\nsuccess\ndone\n", 0, "pulling 10%\nsuccess\n"),
        (b"error that is no name\n", 1, "Error: that is no name\n"),
        (b"pulling 10%\n", 1, "pulling 10%\n"),
    ],
)
def test_a_pull_ends_as_the_door_says(
    capsys: pytest.CaptureFixture[str], answer: bytes, code: int, printed: str
) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            client, _ = door.accept()
            with client:
                asked.append(client.makefile("rb").readline())
                client.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        assert pull({"SWITCHGEAR_DOOR": f"127.0.0.1:{door.getsockname()[1]}"}, "llama3") == code
        server.join()
    assert asked == [b"pull llama3\n"]
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("model", ["a b", "a\nrm b", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_more_than_one_name_reaches_no_door(model: str) -> None:
    with pytest.raises(SettingsError, match="one name"):
        pull({"SWITCHGEAR_DOOR": "127.0.0.1:9"}, model)


def test_without_a_door_the_other_ways_are_named() -> None:
    with pytest.raises(SettingsError, match="ollama pull"):
        pull({}, "llama3")
