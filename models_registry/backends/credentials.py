"""Cuts what looks like a credential out of a provider's text, whole or shortened.

Providers repeat the key that they refuse, most of them with its middle masked. The deployment's own key is
known and cut as it is (`provider_errors.py`); these patterns are for any other: another deployment's, one in
the caller's own request, one of a service behind the provider.
"""

import re

CUT = "***"
MAX_CHARS = 4_096
"""A longer text is cut off here before it is looked at."""

_TAIL = r"[\w*.\u2022\u2026-]"
"""The characters of a key after its beginning: letters, digits, and the stars, dots and bullets that mask its
middle."""
_PATTERNS = (
    # OpenAI, Anthropic, OpenRouter and many others; also `sk-...abcd` and `sk-pr***abcd`
    rf"\bsk[-_]{_TAIL}{{4,}}",
    rf"\b(?:gsk|xai|csk|nvapi|pplx|glpat|github_pat|gh[pousr]|xox[abeprs]|tgp_v1|jina|sess)[-_]{_TAIL}{{6,}}",
    rf"\b(?:hf|r8|fw|rk|pk)[-_]{_TAIL}{{12,}}",
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9*.\u2022\u2026]{8,}",  # Amazon
    rf"\bAIza{_TAIL}{{6,}}",  # Google
    rf"\bya29\.{_TAIL}{{6,}}",
    rf"\bdapi[0-9a-f*]{_TAIL}{{8,}}",  # Databricks
    rf"\beyJ{_TAIL}{{8,}}",  # JSON Web Tokens
    r"-----BEGIN [A-Z ]{0,40}-----.{0,4096}",
    rf"{_TAIL}{{0,64}}[*\u2022]{{3,}}{_TAIL}{{0,64}}",  # whatever somebody masked
    r"\b(?:[0-9a-f]{32}|[0-9A-F]{32}|[0-9a-f]{64})\b",  # Azure and others
    r"\b(?=[A-Za-z]{0,64}[0-9])(?=[a-z0-9]{0,64}[A-Z])(?=[A-Z0-9]{0,64}[a-z])[A-Za-z0-9]{40,}\b",
)
_KEY = re.compile("|".join(_PATTERNS), re.DOTALL)
_BEARER = re.compile(
    r"\b(bearer|basic)(\s+)(?:(?=\S{0,64}[0-9*=._-])[\w.~+/=*-]{8,}|[\w.~+/=*-]{20,})", re.IGNORECASE
)
"""What follows `bearer` or `basic`. A word of letters alone counts from 20 characters on: `authentication`
has 14."""
_USER = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@]{1,512}@", re.IGNORECASE)
_UUID = re.compile(
    r"(\b(?:key|token|secret)\b[\"'`]?[\s:=]{1,4}[\"'`]?)"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    re.IGNORECASE,
)
"""A UUID after a word such as `key`. Without such a word, a UUID is as a rule the id of a request."""
_ASSIGNED = re.compile(
    r"(\b(?:password|passwd|passphrase|pwd|client[ _-]?secret)[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\s\"',;&]{4,}"
    r"|(\btoken[\"']?\s{0,4}[:=]\s{0,4}[\"']?)(?=[^\s\"',;&]{0,64}[0-9])[^\s\"',;&]{8,}",
    re.IGNORECASE,
)
"""A value after `password:` and the like. After `token:`, letters alone do not count: that is a parser's
token."""
_NAMED = re.compile(
    r"((?:api|access|auth|secret|subscription)[ _-]?(?:key|token)s?(?: provided)?"
    r"[\"']?\s{0,4}[:=]\s{0,4}[\"']?)"
    r"[^\s\"',;&]{4,}",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """The text, cut off at MAX_CHARS, with `***` in place of each credential."""
    text = text[:MAX_CHARS]
    text = _BEARER.sub(rf"\1\2{CUT}", text)
    text = _NAMED.sub(rf"\1{CUT}", text)
    text = _USER.sub(rf"\1{CUT}@", text)
    text = _UUID.sub(rf"\1{CUT}", text)
    text = _ASSIGNED.sub(_assigned, text)
    return _KEY.sub(CUT, text)


def _assigned(found: re.Match[str]) -> str:
    return f"{found[1] or found[2]}{CUT}"
