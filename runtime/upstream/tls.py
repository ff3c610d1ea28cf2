"""TLS to providers: whom to believe, and who we are."""

import ssl
from functools import lru_cache
from pathlib import Path

import msgspec

from models_registry.config.reader import Config
from models_registry.config.tls import tls_of_settings
from models_registry.target import TlsOptions

AS_THE_SYSTEM = TlsOptions()
UNVERIFIED = (
    "litellm_settings.ssl_verify: false: whoever stands on the way to a provider can read keys and prompts"
)


@lru_cache(maxsize=256)
def context_of(options: TlsOptions) -> ssl.SSLContext:
    """Made once for each set of options: reading the system's certificates takes 20 ms. Raises OSError or
    ssl.SSLError for a file that can't be read."""
    context = ssl.create_default_context(cafile=options.ca_file, capath=options.ca_path)
    context.set_alpn_protocols(["http/1.1"])
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.certificate is not None:
        if b"PRIVATE KEY-----" in Path(options.certificate).read_bytes():
            context.load_cert_chain(options.certificate)
        else:
            context.load_verify_locations(options.certificate)
    return context


@lru_cache(maxsize=4)
def context_for_strangers(options: TlsOptions) -> ssl.SSLContext:
    """For hosts that users name. They have to prove who they are, whatever is said of providers, and are
    never shown the certificate by which providers know this gateway."""
    certificate = options.certificate
    if certificate is not None and b"PRIVATE KEY-----" in Path(certificate).read_bytes():
        certificate = None
    return context_of(msgspec.structs.replace(options, verify=True, certificate=certificate))


def flaw_of(options: TlsOptions) -> str | None:
    """What is wrong with the files; None where nothing is."""
    try:
        context_of(options)
    except (OSError, ValueError) as exc:  # ssl's errors are OSErrors
        return f"the file can't be read as PEM: {type(exc).__name__}"
    return None


def tls_of(config: Config) -> tuple[TlsOptions, tuple[str, ...], tuple[str, ...]]:
    """How providers are spoken to, by the config; with errors and warnings."""
    settings = config.litellm_settings
    options = tls_of_settings(config)
    warnings = () if options.verify else (UNVERIFIED,)
    flaw = flaw_of(options)
    if flaw is None:
        return options, (), warnings
    names = [
        f"litellm_settings.{name}"
        for name in ("ssl_verify", "ssl_certificate")
        if isinstance(getattr(settings, name), str)
    ]
    if options.ca_file is not None and not isinstance(settings.ssl_verify, str):
        names.append("SSL_CERT_FILE")
    return AS_THE_SYSTEM, (f"{' or '.join(names)}: {flaw}",), warnings
