"""TLS to providers: whom to believe, and who we are."""

import ssl
from functools import lru_cache

import msgspec


class TlsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider proves who it is, and how we do. Files are paths of PEM files."""

    verify: bool = True
    ca_file: str | None = None
    """A file of certificates that are believed in place of the system's."""
    client_certificate: str | None = None
    """A file with a certificate, and its key where `client_key` names none."""
    client_key: str | None = None


AS_THE_SYSTEM = TlsOptions()


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
        context.load_cert_chain(options.client_certificate, options.client_key)
    return context
