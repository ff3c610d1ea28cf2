"""What settings of the response cache may be stored, and what becomes of the password that they hold.

They are stored as `cache_params` of a config has them, and count in place of the file's as a whole. The
address of Redis is stored in parts (`host`, `port` ...), also where it was sent as a `url`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from functions.rules.stored_values import refuse_variables
from models_registry.config.reader import Config
from models_registry.config.redis_place import VARIABLES, RedisPlace
from models_registry.config.response_cache import PATH, CacheKind, CacheRules, cache_rules_of
from models_registry.config.sections import LitellmSettings
from models_registry.config.storable import Values
from models_registry.config.stored import PASSWORD, Stored
from models_registry.config.stored_address import refusal_of
from schema.cache import REDACTED
from schema.errors.requests import InvalidRequest

PARAM = "cache_settings"
OFF: Mapping[str, str] = MappingProxyType({"type": CacheKind.OFF.value})
REDIS_KIND = "redis_type"
"""LiteLLM's page says by it which form it shows: `node`, `cluster`, `sentinel`."""


def stored_settings(
    given: Values | None, stored: Stored, config: Config
) -> tuple[dict[str, Any], CacheRules | None]:
    """The settings to store for those that somebody sent, and the rules that they make. None: nothing is
    stored, and the config file's count. A password that is left out or comes back redacted stays the stored
    one, or the file's where nothing is stored, if Redis stays the same. `config` is in force. Raises
    InvalidRequest."""
    environment = config.environment
    if given is None:
        return {}, None
    if given == dict(OFF):
        return dict(OFF), cache_rules_of(LitellmSettings(cache=False))[0]
    sent = _checked(given)
    hides = sent.get(PASSWORD) == REDACTED
    if hides:
        del sent[PASSWORD]
    rules = _rules(sent, environment)
    place = rules.redis
    if place is None:
        return sent, rules
    made = {name: value for name, value in sent.items() if name not in VARIABLES}
    if not names_place(sent):
        return made, rules  # the environment says where Redis stands, and who we are there
    made |= _parts(place)
    refuse_variables(made, param=PARAM)  # a part of a url may say what the url itself did not
    if PASSWORD in given and not hides:  # a new one, or null
        return made, rules
    before = stored.cache_settings or _place_of_file(stored, config)
    if place.password is None and _same_place(made, before):
        if stored.cache_flaw:
            raise InvalidRequest(
                f"{PARAM}.password: the stored one was sealed under another salt key. Send it again, or "
                "null.",
                param=f"{PARAM}.password",
            )
        if before.get(PASSWORD) is not None:
            made[PASSWORD] = before[PASSWORD]
            refuse_variables(made, param=PARAM)  # the file's own may look so
            return made, _rules(made, environment)
    if hides:
        raise InvalidRequest(
            f"{PARAM}.password: {_no_password(made, environment)}", param=f"{PARAM}.password"
        )
    return made, rules


def shown_settings(settings: Values) -> dict[str, Any]:
    """The settings without their secret."""
    return {name: REDACTED if name == PASSWORD and value else value for name, value in settings.items()}


def _checked(given: Values) -> dict[str, Any]:
    """The settings that say something. Raises InvalidRequest for those that the API may not give."""
    kind = given.get(REDIS_KIND)
    if kind not in (None, "node"):
        raise InvalidRequest(
            f"{PARAM}.{REDIS_KIND}: expected `node`. Clusters and Sentinel are not supported by this "
            "version.",
            param=f"{PARAM}.{REDIS_KIND}",
        )
    sent = {name: value for name, value in given.items() if value is not None and name != REDIS_KIND}
    refuse_variables(sent, param=PARAM)
    beside = next((each for each in VARIABLES if each in sent and each != "url"), None)
    if beside is not None and sent.get("url") is not None:
        raise InvalidRequest(
            f"{PARAM}.{beside}: expected in the `url`, or no `url` beside it.", param=f"{PARAM}.{beside}"
        )
    sent.setdefault("type", CacheKind.LOCAL.value)
    if sent.get("type") == "redis" and not names_place(sent):
        name = next((each for each in VARIABLES if each in sent), None)
        if name is not None:  # the environment's password is for the environment's Redis
            raise InvalidRequest(
                f"{PARAM}.host: expected beside `{name}`. Without any of them, the environment (REDIS_HOST, "
                "REDIS_URL) says where Redis stands.",
                param=f"{PARAM}.host",
            )
    return sent


def _rules(settings: Values, environment: Mapping[str, str]) -> CacheRules:
    """The rules of these settings. Raises InvalidRequest where one is wrong, or has no effect."""
    rules, errors, warnings = cache_rules_of(
        LitellmSettings(cache=True, cache_params=dict(settings)), environment, judged=True
    )
    for said in (*errors, *warnings):
        problem = said.replace(PATH, PARAM)
        raise InvalidRequest(f"{problem}.", param=problem.partition(":")[0])
    if rules.redis is not None and names_place(settings):
        refusal = refusal_of(rules.redis.origin)
        if refusal is not None:
            raise InvalidRequest(f"{PARAM}.host: {refusal}.", param=f"{PARAM}.host")
    return rules


def names_place(settings: Values) -> bool:
    """Whether the settings themselves say where Redis stands. Else the environment does."""
    return settings.get("host") is not None or settings.get("url") is not None


def _place_of_file(stored: Stored, config: Config) -> dict[str, Any]:
    """The Redis that the config file itself names, with its password. Empty: it names none, or is not in
    force. The environment's Redis is not among them: its password stays in the environment."""
    params = config.litellm_settings.cache_params or {}
    if stored.cache_flaw or config.cache_judged or not names_place(params):
        return {}
    place = cache_rules_of(config.litellm_settings, config.environment)[0].redis
    return {} if place is None else _parts(place)


def _no_password(made: Values, environment: Mapping[str, str]) -> str:
    """Why a redacted password stands for none, and what to send."""
    of_environment = LitellmSettings(cache=True, cache_params={"type": CacheKind.REDIS.value})
    place = cache_rules_of(of_environment, environment)[0].redis
    if place is not None and _same_place(made, _parts(place)):
        return (
            "the environment names this Redis. Leave host, port, db, username, password and ssl out, and it "
            "is used with the environment's password."
        )
    return (
        "none is known for this host, port, username and ssl, and the one of another Redis is not sent "
        "there. The password has to be typed again; null is for a Redis without one."
    )


def _parts(place: RedisPlace) -> dict[str, Any]:
    parts: dict[str, Any] = {"host": place.host, "port": place.port, "db": place.db, "ssl": place.tls}
    parts |= {} if place.username is None else {"username": place.username}
    return parts | ({} if place.password is None else {PASSWORD: place.password.reveal()})


def _same_place(now: Values, before: Values) -> bool:
    """Whether a password may go on: the same host, port and user, and TLS as before."""
    return all(now.get(name) == before.get(name) for name in ("host", "port", "username", "ssl"))
