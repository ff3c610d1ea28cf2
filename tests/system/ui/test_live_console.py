"""What happens now, permissions and local models, in a browser."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.e2e.conftest import PROVIDER_KEY
from tests.e2e.gateway import Gateway, until
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.scripted_ollama import GIB, scripted_ollama
from tests.system.ui.conftest import NewPage, Notes, sign_in_as_admin

HELLO: Any = [{"role": "user", "content": "Say hello."}]


@contextmanager
def stored_model(console: Gateway, name: str, params: dict[str, Any]) -> Iterator[None]:
    """A model that is called by this name while the block runs, at both workers."""
    made = console.post("/model/new", model_name=name, litellm_params=params, model_info={"id": name})
    assert made.status_code == 200, made.text
    answers = 0

    def known() -> bool:
        nonlocal answers
        names = [card["id"] for card in console.get("/v1/models").json()["data"]]
        answers = answers + 1 if name in names else 0
        return answers >= 8  # in a row, of whichever worker

    until(known, what=f"{name} at every worker")
    try:
        yield
    finally:
        gone = console.post("/model/delete", id=name)
        assert gone.status_code == 200, gone.text


@contextmanager
def hanging_call(console: Gateway, model: str, key: str) -> Iterator[None]:
    """A call that gets no answer. Its client leaves at the end of the block."""
    leave = threading.Event()

    async def call() -> None:
        headers = {"authorization": f"Bearer {key}"}
        body = {"model": model, "messages": HELLO}
        async with httpx.AsyncClient(timeout=None) as client:
            asked = asyncio.create_task(
                client.post(f"{console.url}/v1/chat/completions", json=body, headers=headers)
            )
            await asyncio.to_thread(leave.wait)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(call()))
    thread.start()
    try:
        yield
    finally:
        leave.set()
        thread.join()


def test_a_call_in_flight_and_then_its_row_appear_by_themselves(
    console: Gateway, new_page: NewPage, notes: Notes, upstream: HostileUpstream
) -> None:
    params = {"model": "openai/never_answers", "api_base": f"{upstream.url}/v1", "api_key": PROVIDER_KEY}
    key = console.virtual_key("in-flight")
    with stored_model(console, "hangs", params):
        page = new_page()
        sign_in_as_admin(page, console, then="/ui/activity?model=hangs")
        page.get_by_text("None in flight").wait_for()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        with hanging_call(console, "hangs", key):
            status = page.get_by_role("status", name="Requests in flight")
            status.get_by_text("1 request in flight").wait_for()
            status.get_by_text("hangs in-flight").wait_for()
        page.get_by_text("None in flight").wait_for()
        page.get_by_role("cell", name="cancelled").first.wait_for()
        assert not [url for url in asked if "/live/calls" in url], "nothing was polled"


def test_what_a_user_may_do_is_shown_with_its_reasons(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    made = console.post("/user/new", user_id="ruth", user_role="internal_user", auto_create_key=False)
    assert made.status_code == 200, made.text
    team = console.post("/team/new", team_id="narrow", team_alias="narrow", models=["second"])
    assert team.status_code == 200, team.text
    joined = console.post("/team/member_add", team_id="narrow", member={"user_id": "ruth", "role": "admin"})
    assert joined.status_code == 200, joined.text
    page = new_page()
    sign_in_as_admin(page, console, then="/ui/users/ruth")
    page.get_by_text("with keys of the team narrow").wait_for()
    page.get_by_role("row", name="gpt-4 may not").get_by_text("team: the list has second").wait_for()
    page.get_by_role("tab", name="Roles and access").click()
    page.get_by_role("cell", name="admin of the team narrow").wait_for()


def test_a_model_is_pulled_with_progress_loaded_and_deleted(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    with scripted_ollama({"mistral:latest": 4 * GIB}) as host:
        host.library["tiny:latest"] = GIB
        params = {"model": "ollama/mistral", "api_base": host.url}
        with stored_model(console, "mistral-here", params):
            page = new_page()
            sign_in_as_admin(page, console, then="/ui/local")
            page.get_by_role("cell", name="mistral:latest", exact=True).first.wait_for()
            page.get_by_label("Pull a model").fill("tiny")
            page.get_by_role("button", name="Pull", exact=True).click()
            page.get_by_role("status", name="Progress of the pull").get_by_text(
                "call it tiny-local"
            ).wait_for()
            row = page.get_by_role("row", name="tiny:latest").first
            row.get_by_role("button", name="Load", exact=True).click()
            row.get_by_text("loaded").wait_for()
            row.get_by_role("button", name="Delete").click()
            page.get_by_role("dialog").get_by_role("button", name="Delete").click()
            until(lambda: "tiny:latest" not in host.files, what="the deletion", pause_s=0.1)
            models = console.get("/model/info").json()["data"]
            for each in models:
                if each["model_name"] == "tiny-local":
                    console.post("/model/delete", id=each["model_info"]["id"])
