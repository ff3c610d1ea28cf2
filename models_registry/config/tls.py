"""How TLS is spoken to providers, as the config and the environment say: `ssl_verify`, `ssl_certificate`,
`SSL_CERT_FILE`, `SSL_CERT_DIR`."""

from pathlib import Path

import msgspec

from models_registry.config.reader import Config
from models_registry.config.sections import LitellmParams, LitellmSettings
from models_registry.target import TlsOptions

Verify = bool | str | None


def tls_of_settings(config: Config) -> TlsOptions:
    """How TLS is spoken where a deployment says nothing. The files of the environment are believed in place
    of the system's."""
    env = config.environment
    plain = TlsOptions(ca_file=env.get("SSL_CERT_FILE") or None, ca_path=env.get("SSL_CERT_DIR") or None)
    return _said(config.litellm_settings, plain)


def tls_of_params(params: LitellmParams, config: Config) -> TlsOptions | None:
    """How TLS is spoken to one deployment; None: as to all."""
    if params.ssl_verify is None and params.ssl_certificate is None:
        return None
    return _said(params, tls_of_settings(config))


def verified(value: Verify) -> Verify:
    """`ssl_verify` with the words for true and false read as such."""
    words = {"true": True, "false": False}
    return words.get(value.strip().lower(), value) if isinstance(value, str) else value


def _said(settings: LitellmParams | LitellmSettings, default: TlsOptions) -> TlsOptions:
    verify = verified(settings.ssl_verify)
    options = default
    if isinstance(verify, bool):
        options = msgspec.structs.replace(options, verify=verify)
    elif verify:
        in_folder = Path(verify).is_dir()
        options = msgspec.structs.replace(
            options,
            verify=True,
            ca_file=None if in_folder else verify,
            ca_path=verify if in_folder else None,
        )
    if settings.ssl_certificate:
        options = msgspec.structs.replace(options, certificate=settings.ssl_certificate)
    return options
