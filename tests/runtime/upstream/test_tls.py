"""Providers behind TLS: whom the client believes. Nothing else differs from plain HTTP."""

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models_registry.backends import BACKENDS
from models_registry.target import Deadlines, TlsOptions
from models_registry.turns.facts import CallFacts
from runtime.blueprint import Checked, check
from runtime.upstream.client import HttpUpstream
from runtime.upstream.tls import AS_THE_SYSTEM, context_of
from schema.chat import ChatRequest, Message
from schema.errors.upstream import UpstreamCut, UpstreamError, UpstreamMalformed, UpstreamTimeout
from tests.fakes import answers
from tests.fakes.certificates import self_signed, server_context
from tests.fakes.hostile_upstream import HostileUpstream
from tests.runtime.upstream.test_client import drain, request_to

DEADLINES = Deadlines(connect_s=5.0, first_byte_s=1.0, idle_s=0.5, total_s=8.0)


def called(
    options: TlsOptions, context: ssl.SSLContext, script: str = "happy", calls: int = 1
) -> tuple[bytes, int]:
    """The body of the last of some calls, and how many connections the provider saw."""

    async def run() -> tuple[bytes, int]:
        client = HttpUpstream(tls=options)
        await client.start()
        try:
            async with HostileUpstream(tls=context).running() as provider:
                body = b""
                for _ in range(calls):
                    body = b"".join(await drain(client, request_to(provider.url, script), DEADLINES))
                return body, provider.connections
        finally:
            await client.close()

    return asyncio.run(run())


def test_a_given_authority_is_believed_and_connections_are_kept(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    body, connections = called(TlsOptions(ca_file=str(certificate)), server_context(certificate), calls=5)
    assert body == b"".join(answers.openai_stream("happy"))
    assert connections == 1


def test_another_authority_is_not_believed(tmp_path: Path) -> None:
    other = TlsOptions(ca_file=str(self_signed(tmp_path, "other")))
    for options in (AS_THE_SYSTEM, other):
        with pytest.raises(UpstreamError, match="TLS certificate"):
            called(options, server_context(self_signed(tmp_path)))


def test_whoever_switches_it_off_is_answered(tmp_path: Path) -> None:
    assert called(TlsOptions(verify=False), server_context(self_signed(tmp_path)))[0]


def test_a_provider_that_wants_to_know_who_we_are_is_told(tmp_path: Path) -> None:
    certificate, ours = self_signed(tmp_path), self_signed(tmp_path, "ours")
    context = server_context(certificate, clients=ours)
    known = TlsOptions(ca_file=str(certificate), certificate=str(ours))
    assert called(known, context)[0]
    with pytest.raises(UpstreamError):
        called(TlsOptions(ca_file=str(certificate)), context)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("never_answers", UpstreamTimeout),
        ("slow_headers", UpstreamTimeout),
        ("resets", UpstreamCut),
        ("hangs_up", UpstreamCut),
        ("garbage_http", UpstreamMalformed),
        ("stall", UpstreamTimeout),
        ("cut_mid_token", UpstreamCut),
        ("reset_mid_stream", UpstreamCut),
        ("short_body", UpstreamCut),
        ("bad_gzip", UpstreamMalformed),
    ],
)
def test_what_breaks_is_told_as_without_tls(script: str, error: type[UpstreamError], tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with pytest.raises(error):
        called(TlsOptions(ca_file=str(certificate)), server_context(certificate), script)


def checked(**settings: Any) -> Any:
    return check({"model_list": [], "litellm_settings": settings}, {})


def test_the_config_says_whom_to_believe_and_who_we_are(tmp_path: Path) -> None:
    file = str(self_signed(tmp_path))
    assert checked().tls == AS_THE_SYSTEM
    assert checked(ssl_verify=file, ssl_certificate=file).tls == TlsOptions(ca_file=file, certificate=file)
    unsafe = checked(ssl_verify=False)
    assert not unsafe.tls.verify
    assert any("ssl_verify: false" in warning for warning in unsafe.warnings)


@pytest.mark.parametrize("name", ["ssl_verify", "ssl_certificate"])
@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_that_is_none_stops_the_start_by_its_name(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / "x.pem"
    if content is not None:
        path.write_bytes(content)
    (error,) = [error for error in checked(**{name: str(path)}).errors if "ssl_" in error]
    assert f"litellm_settings.{name}" in error


def checked_in(env: dict[str, str], params: dict[str, Any] | None = None, **settings: Any) -> Checked:
    entry = {
        "model_name": "m",
        "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-x", **(params or {})},
    }
    return check({"model_list": [entry], "litellm_settings": settings}, env)


def test_the_environments_file_is_believed_in_place_of_the_systems_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, own = self_signed(tmp_path), self_signed(tmp_path, "own")
    store = tmp_path / "store"
    store.mkdir()
    digest = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(system)], capture_output=True, check=True, text=True
    ).stdout.strip()
    (store / f"{digest}.0").write_bytes(system.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(store))  # where OpenSSL looks for the system's
    context_of.cache_clear()
    assert called(TlsOptions(), server_context(system))[0]
    context_of.cache_clear()
    found = checked_in({"SSL_CERT_FILE": str(own)}).tls
    assert found == TlsOptions(ca_file=str(own))
    assert called(found, server_context(own))[0]
    with pytest.raises(UpstreamError, match="TLS certificate"):
        called(found, server_context(system))
    assert checked_in({"SSL_CERT_DIR": str(store)}).tls == TlsOptions(ca_path=str(store))
    assert called(TlsOptions(ca_path=str(store)), server_context(system))[0]


def test_the_environment_of_the_file_counts_too(tmp_path: Path) -> None:
    own = str(self_signed(tmp_path))
    document = {"environment_variables": {"SSL_CERT_FILE": own}}
    assert check(document, {}).tls == TlsOptions(ca_file=own)
    assert checked_in({"SSL_CERT_FILE": "/gone.pem"}, ssl_verify=own).tls == TlsOptions(ca_file=own)
    (error,) = checked_in({"SSL_CERT_FILE": "/gone.pem"}).errors
    assert error.startswith("SSL_CERT_FILE: the file can't be read")


def test_a_certificate_without_a_key_is_believed_beside_the_others(tmp_path: Path) -> None:
    system, own = self_signed(tmp_path), self_signed(tmp_path, "own")
    authority = tmp_path / "authority.pem"
    authority.write_text(own.read_text().partition("-----END PRIVATE KEY-----\n")[2])
    both = checked_in({"SSL_CERT_FILE": str(system)}, ssl_certificate=str(authority)).tls
    assert both == TlsOptions(ca_file=str(system), certificate=str(authority))
    for certificate in (system, own):
        assert called(both, server_context(certificate))[0]


def test_a_folder_of_authorities_is_taken_as_one(tmp_path: Path) -> None:
    assert checked_in({}, ssl_verify=str(tmp_path)).tls == TlsOptions(ca_path=str(tmp_path))


def tls_of_deployment(found: Checked) -> TlsOptions | None:
    assert (found.errors, found.skipped) == ((), ())
    return found.registry.target("m", allowed=(), roll=0.0).tls


def test_a_deployment_says_for_itself_whom_to_believe(tmp_path: Path) -> None:
    one, two = str(self_signed(tmp_path)), str(self_signed(tmp_path, "two"))
    assert tls_of_deployment(checked_in({}, {}, ssl_verify=False)) is None
    assert tls_of_deployment(checked_in({}, {"ssl_verify": one})) == TlsOptions(ca_file=one)
    own = checked_in({}, {"ssl_certificate": two}, ssl_verify=one)
    assert tls_of_deployment(own) == TlsOptions(ca_file=one, certificate=two)
    safe = checked_in({}, {"ssl_verify": True}, ssl_verify=False)
    assert tls_of_deployment(safe) == TlsOptions()
    for value in (False, "False", "os.environ/VERIFY"):
        unsafe = checked_in({"VERIFY": "False"}, {"ssl_verify": value})
        assert tls_of_deployment(unsafe) == TlsOptions(verify=False)
        (warning,) = unsafe.warnings
        assert warning.startswith("model_list[0].litellm_params.ssl_verify: false: whoever stands on the way")


@pytest.mark.parametrize("name", ["ssl_verify", "ssl_certificate"])
def test_a_deployment_whose_file_is_none_is_skipped(tmp_path: Path, name: str) -> None:
    found = checked_in({}, {name: str(tmp_path / "gone.pem")})
    assert found.errors == ()
    (reason,) = found.skipped
    assert reason.startswith(f"model_list[0].litellm_params.{name}: the file can't be read as PEM")


def test_deployments_of_one_host_share_no_connection_where_they_believe_others(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    trusting = TlsOptions(ca_file=str(certificate))

    async def run() -> int:
        client = HttpUpstream()
        await client.start()
        try:
            async with HostileUpstream(tls=server_context(certificate)).running() as provider:
                plain = request_to(provider.url, "happy")
                ours = msgspec.structs.replace(plain, tls=trusting)
                for request in (ours, ours):
                    assert await drain(client, request, DEADLINES)
                with pytest.raises(UpstreamError, match="TLS certificate"):
                    await drain(client, plain, DEADLINES)
                blind = msgspec.structs.replace(plain, tls=TlsOptions(verify=False))
                assert await drain(client, blind, DEADLINES)
                return provider.connections
        finally:
            await client.close()

    assert asyncio.run(run()) >= 2


@pytest.mark.parametrize("model", ["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "ollama/mistral"])
def test_every_backend_hands_on_how_tls_is_spoken(tmp_path: Path, model: str) -> None:
    file = str(self_signed(tmp_path))
    found = checked_in({}, {"model": model, "ssl_verify": file})
    target = found.registry.target("m", allowed=(), roll=0.0)
    request = ChatRequest(model="m", messages=[Message(role="user", content="Hi")])
    sent = BACKENDS[target.dialect].chat_request(request, target, CallFacts(request_id="", created=0))
    assert sent.tls == TlsOptions(ca_file=file)
