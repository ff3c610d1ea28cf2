from pathlib import Path

import pytest

from runtime.commands.dev import banner, url_of
from runtime.local.models import FoundModels
from runtime.serving.serve import Listen
from schema.secret import Secret

FOUND = FoundModels(document={"model_list": [{"model_name": "m"}]}, env={}, report=("+ m",))
KEY = Secret("sk-0123456789abcdef")


def text_of(where: str) -> str:
    return banner(FOUND, Listen(), KEY, dsn=Secret("postgresql://u:s3cret@db/x"), where=where)


def test_the_embedded_database_has_a_line_for_psql() -> None:
    assert 'Database  .data/postgres\n          psql "postgresql://u:s3cret@db/x"\nURL ' in text_of(
        str(Path(".data/postgres"))
    )


def test_a_database_of_the_users_own_has_none_and_no_gap() -> None:
    text = text_of("DATABASE_URL")
    assert "Database  DATABASE_URL\nURL " in text
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4000"),
        ("0.0.0.0", "http://127.0.0.1:4000"),
        ("::", "http://127.0.0.1:4000"),
        ("::1", "http://[::1]:4000"),
        ("gateway.test", "http://gateway.test:4000"),
    ],
)
def test_the_address_is_one_that_a_client_can_use(host: str, url: str) -> None:
    assert url_of(Listen(host=host)) == url
