"""LiteLLM's providers that this version can't call. An owner whose config names one is told so."""

_NAMES = """
    sagemaker sagemaker_chat watsonx replicate palm petals predibase
    nlp_cloud aleph_alpha gigachat oci sap elevenlabs deepgram stability recraft
"""
ABSENT = frozenset(_NAMES.split())


def advice(prefix: str) -> str:
    """What an owner is told. It has nothing of the config in it but the prefix."""
    return f"the provider {prefix} is not in this version"
