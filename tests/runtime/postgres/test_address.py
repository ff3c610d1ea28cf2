"""What Prisma and libpq write into the address of Postgres."""

from pathlib import Path

import pytest

from runtime.blueprint import check
from runtime.postgres.address import WITHOUT_EFFECT, postgres_address

HEAD = "postgresql://ada:s3c%2Fret@db:5432/llm"


def read(query: str) -> tuple[str, tuple[str, ...]]:
    found = postgres_address(f"{HEAD}?{query}", "DATABASE_URL")
    assert "s3c" not in str(found.warnings)
    assert "s3c" not in repr(found)
    return found.url.reveal().removeprefix(HEAD), found.warnings


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("schema=public", ""),
        ("schema=litellm", "?search_path=litellm"),
        ("schema=LiteLLM", "?search_path=%22LiteLLM%22"),
        ("schema=a%22b", "?search_path=%22a%22%22b%22"),
        (
            "sslmode=require&schema=x&application_name=a%20b",
            "?sslmode=require&search_path=x&application_name=a%20b",
        ),
        ("host=/tmp/a%20b&sslmode=disable", "?host=/tmp/a%20b&sslmode=disable"),
        ("pgbouncer=false", ""),
        ("sslmode=require&sslaccept=accept_invalid_certs&sslcert=x.pem", "?sslmode=require"),
        ("", ""),
    ],
)
def test_parameters_of_prisma_are_mapped(query: str, left: str) -> None:
    assert read(query) == (left, ())


@pytest.mark.parametrize("name", [*WITHOUT_EFFECT, "pgbouncer"])
def test_a_parameter_without_an_effect_is_left_out_with_a_word(name: str) -> None:
    left, (warning,) = read(f"sslmode=disable&{name}=true&{name}=true")
    assert left == "?sslmode=disable"
    assert warning.startswith(f"DATABASE_URL: {name} has no effect")


def test_prismas_strict_is_a_verified_server(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("")
    left, _ = read(f"sslmode=require&sslaccept=strict&sslcert={file}")
    assert left == f"?sslmode=verify-full&sslrootcert={file}"
    left, _ = read(f"sslaccept=strict&sslrootcert={file}")
    assert left == f"?sslrootcert={file}&sslmode=verify-full"
    assert read("sslaccept=strict&sslmode=disable")[0] == "?sslmode=disable"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("sslmode=on", "sslmode: expected one of disable, allow, "),
        ("sslmode=no-verify", "sslmode: expected one of"),
        ("sslaccept=maybe", "sslaccept: expected strict or accept_invalid_certs"),
        ("sslaccept=strict&sslcert=/nowhere.pem", "add sslrootcert=/path/to/ca.pem"),
    ],
)
def test_a_parameter_that_means_nothing_is_refused_without_the_address(query: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^DATABASE_URL: ") as caught:
        read(query)
    assert says in str(caught.value)
    assert "s3c" not in str(caught.value)


def test_the_config_check_tells_of_them_by_the_setting_that_counts() -> None:
    url = f"{HEAD}?connection_limit=5"
    from_file = check({"general_settings": {"database_url": url}}, {})
    assert [line.partition(":")[0] for line in from_file.warnings] == ["general_settings.database_url"]
    from_env = check({"general_settings": {"database_url": url}}, {"DATABASE_URL": url})
    assert [line.partition(":")[0] for line in from_env.warnings] == ["DATABASE_URL"]
    assert check({}, {"DATABASE_URL": HEAD}).warnings == ()
