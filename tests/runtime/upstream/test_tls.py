"""Providers behind TLS: whom the client believes, and that nothing else differs."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from models_registry.target import Deadlines, TlsOptions
from runtime.blueprint import check
from runtime.upstream.client import HttpUpstream
from runtime.upstream.tls import AS_THE_SYSTEM
from schema.errors import UpstreamCut, UpstreamError, UpstreamMalformed, UpstreamTimeout
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
