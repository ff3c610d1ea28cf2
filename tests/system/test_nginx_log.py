"""The paths in the log of real nginx, and its names. No gateway runs: a refusal is logged like an answer."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.gateway import until
from tests.system.conftest import program
from tests.system.front import NAMES, Front, fronting

AWAY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    program("nginx")
    with fronting(tmp_path_factory.mktemp("front"), AWAY) as running:
        yield running


@pytest.mark.parametrize(
    ("asked", "logged"),
    [
        ("/key/{}/regenerate", "/key/***/regenerate"),
        ("/key/{}/reset_spend?reset_to=0", "/key/***/reset_spend"),
        ("/%6bey//{}/regenerate", "/key/***/regenerate"),
        ("/key/a%2F{}/regenerate", "/key/***/regenerate"),
        ("/key/sk-{}", "/key/***"),
        ("/v1/models/sk-{}/info", "/v1/models/***"),
    ],
)
def test_the_log_has_no_key_that_stands_in_a_path(front: Front, asked: str, logged: str) -> None:
    key = f"chosen-{uuid.uuid4().hex}"
    answer = front.client().post(asked.format(key))
    wanted = answer.headers["x-request-id"]
    until(lambda: any(line["id"] == wanted for line in front.log()), what="the line of the request")
    assert [line["path"] for line in front.log() if line["id"] == wanted] == [logged]
    assert key not in front.nginx.log_path.read_text()


@pytest.mark.parametrize(
    "path", ["/key/service-account/generate", "/key/generate", "/v2/key/info", "/team/desk-1/member"]
)
def test_the_log_has_paths_without_a_key_as_they_are(front: Front, path: str) -> None:
    wanted = front.client().post(path).headers["x-request-id"]
    until(lambda: any(line["id"] == wanted for line in front.log()), what="the line of the request")
    assert [line["path"] for line in front.log() if line["id"] == wanted] == [path]


def test_names_of_any_length_are_served(tmp_path: Path) -> None:
    program("nginx")
    names = [f"{letter * 63}.{'b' * 63}.{'c' * 63}.{'d' * 55}.test" for letter in "efghijkl"]
    with fronting(tmp_path, AWAY, values={"SG_SERVER_NAMES": " ".join([NAMES[0], *names])}) as front:
        moved = httpx.get(f"{front.plain}/v1/models", headers={"host": names[-1]})
    assert moved.headers["location"].startswith(f"https://{names[-1]}")
