"""nginx with the production's configuration before a gateway, for tests: names, a certificate, clients that
find the names on this machine."""

import shutil
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from runtime.local.nginx import Nginx
from tests.e2e.gateway import free_port
from tests.fakes.certificates import named

NAMES = ("litellm.deeprunner.ai", "prod.litellm.deeprunner.ai")
"""The two names of the user's document."""


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """A running nginx."""

    nginx: Nginx
    port: int
    plain_port: int
    certificate: Path
    acme: Path
    """What nginx shows to Let's Encrypt. A worker of nginx can read it."""

    def url(self, name: str = NAMES[0]) -> str:
        return f"https://{name}:{self.port}"

    def client(self, name: str = NAMES[0], **more: object) -> httpx.Client:
        """A client that checks the certificate, and finds every name on this machine."""
        return httpx.Client(base_url=self.url(name), transport=Loopback(self.certificate), timeout=60, **more)  # type: ignore[arg-type]

    @property
    def plain(self) -> str:
        return f"http://127.0.0.1:{self.plain_port}"

    def log(self) -> list[dict[str, object]]:
        """The lines of the access log."""
        lines = self.nginx.log_path.read_text().splitlines()
        return [msgspec.json.decode(line) for line in lines if line.startswith("{")]


class Loopback(httpx.HTTPTransport):
    """Connects to 127.0.0.1 whatever the address says; the certificate must be the name's all the same."""

    def __init__(self, certificate: Path) -> None:
        context = ssl.create_default_context(cafile=str(certificate))
        super().__init__(verify=context)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        asked, request.url = request.url, request.url.copy_with(host="127.0.0.1")
        try:
            return super().handle_request(request)
        finally:
            request.url = asked  # whose cookies they are


@contextmanager
def fronting(
    folder: Path,
    gateway_url: str,
    *,
    pgadmin: str = "127.0.0.1:9",
    port: int | None = None,
    values: Mapping[str, str] | None = None,
) -> Iterator[Front]:
    """Run nginx in production mode before a gateway."""
    port, plain_port = port or free_port(), free_port()
    certificates = folder / "certificates"
    certificates.mkdir(parents=True)
    acme = Path(tempfile.mkdtemp())  # a folder of pytest's is its user's alone
    acme.chmod(0o755)
    pem = named(certificates, NAMES)
    nginx = Nginx(
        folder / "nginx",
        {
            "SG_MODE": "production",
            "SG_GATEWAY": gateway_url.removeprefix("http://"),
            "SG_PGADMIN": "on",
            "SG_PGADMIN_ADDRESS": pgadmin,
            "SG_SERVER_NAMES": " ".join(NAMES),
            "SG_BASE_URL": f"https://{NAMES[0]}:{port}",
            "SG_PORT_SUFFIX": f":{port}",
            "SG_HSTS": "max-age=63072000",
            "SG_ACCESS_LOG": "/dev/stdout",
            "SG_REAL_IP_FROM": "unix:",
            "SG_HTTP_LISTEN": f"127.0.0.1:{plain_port}",
            "SG_HTTPS_LISTEN": f"127.0.0.1:{port}",
            "SG_ACME_ROOT": str(acme),
            "SG_CERTIFICATES": str(certificates),
            **(values or {}),
        },
        log_path=folder / "nginx.log",
    )
    nginx.start()
    try:
        yield Front(nginx=nginx, port=port, plain_port=plain_port, certificate=pem, acme=acme)
    finally:
        nginx.stop()
        shutil.rmtree(acme)
