"""TLS to providers: whom to believe, and who we are."""

import ssl
from functools import lru_cache

import msgspec

from models_registry.config.reader import LitellmSettings


class TlsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider proves who it is, and how we do. Files are paths of PEM files."""

    verify: bool = True
    ca_file: str | None = None
    """A file of certificates that are believed in place of the system's."""
    client_certificate: str | None = None
    """A file with our certificate and its key."""


AS_THE_SYSTEM = TlsOptions()
UNVERIFIED = (
    "litellm_settings.ssl_verify: false: whoever stands on the way to a provider can read keys and prompts"
)


@lru_cache(maxsize=256)
def context_of(options: TlsOptions) -> ssl.SSLContext:
    """Made once for each set of options: reading the system's certificates takes 20 ms. Raises OSError or
    ssl.SSLError for a file that can't be read."""
    context = ssl.create_default_context(cafile=options.ca_file)
    context.set_alpn_protocols(["http/1.1"])
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.client_certificate is not None:
        context.load_cert_chain(options.client_certificate)
    return context


def tls_of(settings: LitellmSettings) -> tuple[TlsOptions, tuple[str, ...], tuple[str, ...]]:
    """How providers are spoken to, by the config; with errors and warnings."""
    verify = settings.ssl_verify
    options = TlsOptions(
        verify=verify is not False,
        ca_file=verify if isinstance(verify, str) else None,
        client_certificate=settings.ssl_certificate,
    )
    warnings = () if options.verify else (UNVERIFIED,)
    try:
        context_of(options)
    except (OSError, ValueError) as exc:  # ssl's errors are OSErrors
        names = [
            name for name in ("ssl_verify", "ssl_certificate") if isinstance(getattr(settings, name), str)
        ]
        what = " or ".join(f"litellm_settings.{name}" for name in names)
        return AS_THE_SYSTEM, (f"{what}: the file can't be read as PEM: {type(exc).__name__}",), warnings
    return options, (), warnings
