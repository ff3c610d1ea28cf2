"""pgAdmin as a person uses it: sign in, open the server, run statements, by the calls that its page makes."""

import random
import re
from typing import Any

import httpx

from tests.e2e.gateway import until

CSRF_ON_PAGE = re.compile(r'"?csrfToken"?\s*:\s*"([^"]+)"')
CSRF_IN_SCRIPT = re.compile(r"csrf_token'\]\s*=\s*'([^']+)'")
ANSWER_S = 30


class PgAdminClient:
    """`browser` has the session of an admin of the gateway already."""

    def __init__(self, browser: httpx.Client, url: str) -> None:
        self._browser = browser
        self._url = url
        self._csrf = ""
        self._query = 0

    def sign_in(self, email: str, password: str) -> None:
        page = self._browser.get(self._url, follow_redirects=True)
        found = CSRF_ON_PAGE.search(page.text)
        assert found, f"{page.url} is not pgAdmin's sign-in page: {page.status_code} {page.text[:300]}"
        form = {"email": email, "password": password, "internal_button": "Login", "csrf_token": found[1]}
        headers = {"x-pga-csrftoken": found[1], "referer": str(page.url)}
        shown = self._browser.post(
            f"{self._url}/authenticate/login", data=form, headers=headers, follow_redirects=True
        )
        assert shown.url.path.endswith("/browser/"), f"signing in ended at {shown.url}"
        script = self._browser.get(f"{self._url}/browser/js/utils.js").text
        token = CSRF_IN_SCRIPT.search(script)
        assert token, "pgAdmin's page has no token"
        self._csrf = token[1]

    def open_server(self) -> None:
        """Connect to the one server that is registered, by its pass file, and open a query tool."""
        (server,) = self._ask("GET", "browser/server/obj/1/")
        connected = self._ask("POST", f"browser/server/connect/1/{server['id']}", {})
        assert connected["success"] == 1, connected
        (database,) = [
            each
            for each in self._ask("GET", f"browser/database/nodes/1/{server['id']}/")["data"]
            if each["label"] == server["db"]
        ]
        self._query = random.randint(1, 9_999_999)
        place = f"{self._query}/1/{server['id']}/{database['_id']}"
        opened = self._ask("POST", f"sqleditor/initialize/sqleditor/{place}", {"dbname": server["db"]})
        assert opened["success"] == 1, opened

    def run(self, sql: str) -> str:
        """Run a statement. Gives what Postgres says of it (`UPDATE 1`), or its error."""
        asked = {"sql": sql, "explain_plan": None}
        self._ask("POST", f"sqleditor/query_tool/start/{self._query}", asked)
        found: list[Any] = []

        def over() -> bool:
            told = self._ask("GET", f"sqleditor/poll/{self._query}")
            data = told.get("data") or {}
            found[:] = [data.get("result") or told.get("errormsg") or told.get("info")]
            return data.get("status") != "Busy"

        until(over, ANSWER_S, what=f"the answer to {sql}", pause_s=0.1)
        return str(found[0])

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # pgAdmin's JSON
        answer = self._browser.request(
            method, f"{self._url}/{path}", json=body, headers={"x-pga-csrftoken": self._csrf}
        )
        return answer.json()
