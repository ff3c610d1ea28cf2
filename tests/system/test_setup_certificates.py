"""Certificates of `infra/scripts/setup.sh`: which one is served, and how it is renewed."""

from pathlib import Path

import pytest

from tests.fakes.certificates import named
from tests.system.conftest import program
from tests.system.setup_host import NAME, Host

OTHER = "other.example.test"
PUBLIC = "203.0.113.7"
RELOAD = "compose exec -T nginx nginx -c /run/switchgear/nginx.conf -s reload"
GETENT = f"#!/bin/sh\necho {PUBLIC} STREAM $2\n"
"""A name server that leads every name to the public address of an address translation."""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    program("openssl")
    return Host(tmp_path, memory_mb=3900)


def issued(
    tmp_path: Path, *names: str, folder: str = "issued", days_past: int = 10, days_left: int = 80
) -> Path:
    """A folder with an authority's certificate and its key."""
    place = tmp_path / folder
    place.mkdir()
    named(place, names, issuer="An Authority", days_past=days_past, days_left=days_left)
    return place


def words(place: Path) -> tuple[str, ...]:
    return "--certificate", str(place / "fullchain.pem"), "--key", str(place / "privkey.pem")


def asked(host: Host) -> list[str]:
    """What certbot was told."""
    return [line for line in host.told() if "certbot" in line]


# Let's Encrypt


def test_the_public_address_and_the_email_are_kept_for_the_daily_run(host: Host, tmp_path: Path) -> None:
    host.program("getent", GETENT)
    certbot = str(issued(tmp_path, NAME))
    first = host.setup("--domain", NAME, "--email", "a@b.test", PUBLIC_ADDRESS=PUBLIC, CERTBOT=certbot)
    assert first.returncode == 0, first.stderr
    daily = host.setup(CERTBOT=certbot)
    assert daily.returncode == 0, daily.stderr
    assert "is not asked" not in daily.stdout
    told = asked(host)
    assert len(told) == 2
    assert all(f"-d {NAME} --email a@b.test" in line for line in told)


def test_lets_encrypts_files_are_copied_where_only_root_reads_them(host: Host, tmp_path: Path) -> None:
    host.program("getent", GETENT)
    place = issued(tmp_path, NAME)
    done = host.setup("--domain", NAME, PUBLIC_ADDRESS=PUBLIC, CERTBOT=str(place))
    assert done.returncode == 0, done.stderr
    assert host.certificate.read_bytes() == (place / "fullchain.pem").read_bytes()
    assert host.certificate.stat().st_mode & 0o777 == 0o644
    assert (host.certificate.parent / "privkey.pem").stat().st_mode & 0o777 == 0o600
    assert host.told().count(RELOAD) == 2, "for the self-signed one, and for Let's Encrypt's"


def test_what_lets_encrypt_renewed_is_read_by_nginx_and_what_it_kept_is_not_read_again(
    host: Host, tmp_path: Path
) -> None:
    host.program("getent", GETENT)
    old, new = issued(tmp_path, NAME), issued(tmp_path, NAME, folder="new", days_past=1, days_left=89)
    for place, reloads in ((old, 2), (old, 2), (new, 3)):
        done = host.setup("--domain", NAME, PUBLIC_ADDRESS=PUBLIC, CERTBOT=str(place))
        assert done.returncode == 0, done.stderr
        assert host.told().count(RELOAD) == reloads


def test_lets_encrypts_refusal_is_told_after_the_address(host: Host) -> None:
    host.program("getent", GETENT)
    done = host.setup("--domain", NAME, PUBLIC_ADDRESS=PUBLIC, FAILS="run --rm -v")
    assert done.returncode == 1
    assert f"https://{NAME}/ui" in done.stdout
    assert "gave no certificate" in done.stderr


def test_a_certificate_that_ends_soon_and_is_not_renewed_is_a_failure(host: Host, tmp_path: Path) -> None:
    host.program("getent", GETENT)
    ending = str(issued(tmp_path, NAME, days_past=71, days_left=19))
    assert host.setup("--domain", NAME, PUBLIC_ADDRESS=PUBLIC, CERTBOT=ending).returncode == 1
    host.program("getent", "#!/bin/sh\necho 198.51.100.1 STREAM $2\n")
    daily = host.setup()
    assert daily.returncode == 1
    assert "ends soon, and was not renewed" in daily.stderr


def test_a_short_certificate_is_renewed_late_without_a_failure(host: Host, tmp_path: Path) -> None:
    place = issued(tmp_path, NAME, days_past=29, days_left=16)
    assert host.setup("--domain", NAME, *words(place)).returncode == 0


@pytest.mark.parametrize("choice", ["--self-signed", "given"])
def test_a_choice_against_lets_encrypt_is_kept_until_it_is_taken_back(
    host: Host, tmp_path: Path, choice: str
) -> None:
    host.program("getent", GETENT)
    chosen = words(issued(tmp_path, NAME)) if choice == "given" else (choice,)
    assert host.setup("--domain", NAME, *chosen, PUBLIC_ADDRESS=PUBLIC).returncode == 0
    assert host.setup().returncode == 0
    assert asked(host) == []
    host.setup("--lets-encrypt")
    assert len(asked(host)) == 1


def test_a_first_name_ends_what_was_chosen_for_want_of_one(host: Host) -> None:
    assert host.setup().returncode == 0
    assert host.settings()["CERTIFICATE_MODE"] == "own-name"
    assert host.setup("--domain", NAME).returncode == 0
    assert host.settings()["CERTIFICATE_MODE"] == "lets-encrypt"


def test_the_hosts_own_name_is_a_name_too_where_it_is_given(host: Host) -> None:
    host.program("hostname", f'#!/bin/sh\n[ "$1" = -I ] && echo {PUBLIC} || echo {NAME}\n')
    host.program("getent", GETENT)
    assert host.setup().returncode == 0
    assert "Let's Encrypt is not asked: CERTIFICATE_MODE" in host.setup().stdout
    assert asked(host) == []
    host.setup("--domain", NAME)
    assert len(asked(host)) == 1


# Given ones


def test_given_certificates_are_taken_and_nginx_reads_the_next_one(host: Host, tmp_path: Path) -> None:
    for reloads, folder in ((1, "first"), (2, "second")):
        place = issued(tmp_path, NAME, folder=folder)
        done = host.setup("--domain", NAME, *words(place))
        assert done.returncode == 0, done.stderr
        assert host.certificate.read_bytes() == (place / "fullchain.pem").read_bytes()
        assert host.told().count(RELOAD) == reloads


def test_an_nginx_that_can_not_reload_is_started_anew(host: Host, tmp_path: Path) -> None:
    done = host.setup("--domain", NAME, *words(issued(tmp_path, NAME)), FAILS=RELOAD)
    assert done.returncode == 0, done.stderr
    assert "compose restart nginx" in host.told()


def test_given_files_that_nginx_could_not_serve_are_refused(host: Host, tmp_path: Path) -> None:
    good, stranger = issued(tmp_path, NAME), issued(tmp_path, OTHER, folder="stranger")
    ended = issued(tmp_path, NAME, folder="ended", days_left=-1)
    text = tmp_path / "text"
    text.mkdir()
    for name in ("fullchain.pem", "privkey.pem"):
        (text / name).write_text("c1")
    mixed = ("--certificate", str(good / "fullchain.pem"), "--key", str(stranger / "privkey.pem"))
    for given, said in (
        (words(text), "holds no certificate"),
        (mixed, "is not the key of"),
        (words(stranger), f"is not for {NAME}"),
        (words(ended), "has ended"),
    ):
        done = host.setup("--domain", NAME, *given)
        assert done.returncode == 1
        assert said in done.stderr
        assert not (host.folder / ".env").exists()


def test_a_wildcard_is_for_its_names(host: Host, tmp_path: Path) -> None:
    assert host.setup("--domain", NAME, *words(issued(tmp_path, "*.example.test"))).returncode == 0


def test_a_given_certificate_without_a_new_name_is_told_and_stays(host: Host, tmp_path: Path) -> None:
    place = issued(tmp_path, NAME)
    assert host.setup("--domain", NAME, *words(place)).returncode == 0
    done = host.setup("--domain", f"{NAME},{OTHER}")
    assert done.returncode == 1
    assert f"the certificate is not for {OTHER}" in done.stderr
    assert host.certificate.read_bytes() == (place / "fullchain.pem").read_bytes()


# Self-signed ones


def test_another_domain_has_another_self_signed_certificate(host: Host) -> None:
    assert host.setup("--domain", NAME).returncode == 0
    assert host.names() == {NAME}
    assert host.setup("--domain", f"{OTHER},{NAME}").returncode == 0
    assert host.names() == {OTHER, NAME}
    assert host.told().count(RELOAD) == 2


def test_a_self_signed_certificate_that_ends_soon_is_made_anew(host: Host, tmp_path: Path) -> None:
    host.certificate.parent.mkdir()
    named(host.certificate.parent, (NAME,), days_past=380, days_left=17)
    before = host.certificate.read_bytes()
    assert host.setup("--domain", NAME).returncode == 0
    assert host.certificate.read_bytes() != before


def test_a_name_longer_than_a_common_name_has_a_certificate(host: Host) -> None:
    name = f"{'a' * 60}.{'b' * 60}.example.test"
    done = host.setup("--domain", name)
    assert done.returncode == 0, done.stderr
    assert host.names() == {name}


def test_nothing_of_a_certificate_is_left_behind(host: Host) -> None:
    assert host.setup("--domain", NAME).returncode == 0
    assert [each.name for each in host.folder.glob("certificates*")] == ["certificates"]
