"""Rules about what requests and answers hold: a request with an e-mail address, an IBAN, a card number or a
pattern of one's own stays local, is redacted or is refused; an answer is redacted or refused. Pure.

Everything in a request is read that may go out: texts, words, names of fields, numbers, and files of text.
What can't be read, such as a picture, is judged as the config says; without a word it counts as found.
"""

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from models_registry.contents.leaves import Kind, Leaf, has_tokens, is_data, is_number, names, text_of_file
from models_registry.contents.patterns import Effort, Finder, Span, TooMany, plain
from models_registry.contents.texts import Repeated, Unreadable, decoded_once, walked

LEAST_NUMBER = 10**11
"""Numbers below are no card numbers."""
FORMAT_WORDS = frozenset(
    {"type", "role", "object", "status", "detail", "format", "finish_reason", "stop_reason"}
) | {"media_type", "mime_type", "effort", "verbosity", "truncation", "encoding", "phase", "service_tier"}
"""Fields whose values are words of the format, such as `user` in `"role": "user"`."""
FORMAT_NAMES = (
    frozenset({"messages", "input", "prompt", "content", "text", "role", "type", "name", "id", "system"})
    | {"instructions", "tools", "tool_choice", "tool_calls", "tool_call_id", "tool_use_id", "call_id"}
    | {"function", "functions", "description", "parameters", "properties", "required", "items", "enum"}
    | {"arguments", "input_schema", "json_schema", "schema", "strict", "response_format", "source", "data"}
    | {"image_url", "input_audio", "file", "file_data", "file_id", "url", "detail", "format", "media_type"}
    | {"cache_control", "thinking", "signature", "output", "summary", "status", "stop", "suffix", "user"}
    | {
        "metadata",
        "additionalProperties",
        "is_error",
        "citations",
        "annotations",
        "refusal",
        "title",
        "budget_tokens",
    }
    | {"index", "prefix", "effort", "include_usage", "include_obfuscation", "max_uses", "user_location"}
)
"""The names of fields that the format has itself."""
_PLAIN_WORD = re.compile(r"[a-z_/+.-]{1,40}")
UNREAD = "a file that rules can't read"
UNREAD_RULE = "content_rules_unread"
"""By this name a request is refused, or stays local, that can't be read."""


class Action(enum.Enum):
    """What becomes of a request in which a rule finds something."""

    LOCAL_ONLY = "local_only"
    REDACT = "redact"
    REFUSE = "refuse"


class Unread(enum.Enum):
    """What becomes of a request with a file that can't be read."""

    PASS = "pass"
    LOCAL_ONLY = "local_only"
    REFUSE = "refuse"


class ContentRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule."""

    name: str
    finders: tuple[Finder, ...]
    action: Action
    replacement: str = ""
    """What stands in place of what is redacted: `[CARDS]`."""


class ContentRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force, in the order of the config."""

    rules: tuple[ContentRule, ...] = ()
    """Those that read requests."""
    answers: tuple[ContentRule, ...] = ()
    """Those that read answers."""
    unread: Unread = Unread.REFUSE


NO_RULES = ContentRules()


class RuleRefusal(Exception):
    """A rule refuses the request. `what` says why, without anything of the request."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.what = what


class Screening(msgspec.Struct, frozen=True, kw_only=True):
    """What rules made of a request."""

    fields: Mapping[str, msgspec.Raw] | None = None
    """The request's fields after redaction. None: nothing was redacted."""
    local_by: str = ""
    """The first rule that keeps the request local."""
    counts: Mapping[str, tuple[Action, int]] = {}
    """The rules that found something, each with what it did, and how often."""


def screened(fields: Mapping[str, msgspec.Raw], rules: ContentRules, skipped: frozenset[str]) -> Screening:
    """What the rules make of a request. `skipped` names the fields that never go out. Raises RuleRefusal."""
    screen = _Screen(rules)
    written: dict[str, msgspec.Raw] = {}
    for name, raw in fields.items():
        if name in skipped:
            continue
        try:
            holder = {name: decoded_once(raw)}
            found = walked(holder)
        except Repeated as exc:  # whatever is done with what can't be read, it is done with both
            raise RuleRefusal(UNREAD_RULE, f"it {exc}") from None
        except Unreadable as exc:
            screen.unread(f"it {exc}")
            continue
        if has_tokens(name, holder[name]):
            screen.unread("it has a text as the numbers of its tokens")
        if screen.field(holder, found):
            written[name] = msgspec.Raw(msgspec.json.encode(holder[name]))
    after = {name: written.get(name, raw) for name, raw in fields.items()} if written else None
    return Screening(fields=after, local_by=screen.local_by, counts=screen.counts)


class ScreenedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What rules made of texts of an answer."""

    texts: Sequence[str] | None = None
    """The texts after redaction. None: they stay."""
    rules: Sequence[str] = ()
    """The rules that redacted something."""


def screened_answer(texts: Sequence[str], rules: Sequence[ContentRule]) -> ScreenedAnswer:
    """What the rules make of texts of an answer. Raises RuleRefusal."""
    screen = _Screen(ContentRules(rules=tuple(rules)))
    after = [screen.text(text) for text in texts]
    if not screen.counts:
        return ScreenedAnswer()
    told = [text if now is None else now for text, now in zip(texts, after, strict=True)]
    return ScreenedAnswer(texts=told, rules=list(screen.counts))


class _Screen:
    """One request under the rules."""

    def __init__(self, rules: ContentRules) -> None:
        self._rules = rules
        self._effort = Effort()
        self.local_by = ""
        self.counts: dict[str, tuple[Action, int]] = {}

    def field(self, holder: Any, found: Sequence[Leaf]) -> bool:
        """Judge one field. True where something in it was redacted."""
        changed = False
        for leaf in found:
            if leaf.kind is Kind.FILE or is_data(leaf.text):
                self._file(leaf)
            if leaf.kind is Kind.FILE or leaf.kind is Kind.NAME:
                continue  # names are judged together below
            if leaf.kind is Kind.WORD:
                if leaf.key not in FORMAT_WORDS or not _PLAIN_WORD.fullmatch(leaf.text):
                    self._fixed(leaf.text, "in an id")
            elif leaf.kind is not Kind.SEAL and leaf.text:
                after = self.text(leaf.text)
                if after is not None:
                    leaf.put(after)
                    changed = True
        known = FORMAT_NAMES | {name for name in holder if _PLAIN_WORD.fullmatch(name)}
        for text in (*(name for name in names(holder) if name not in known), *_numbers(holder)):
            self._fixed(text, "in a place where it can't be redacted")
        for text in _joined(found):
            self._fixed(text, "over several parts of one message")
        return changed

    def unread(self, what: str) -> None:
        """Something can't be read."""
        self._noticed(UNREAD_RULE, self._rules.unread, what)

    def text(self, text: str) -> str | None:
        """The text as it goes out. None: it stays."""
        now = seen = plain(text)
        redacted = False
        for rule in self._rules.rules:
            spans = _spans(rule, now, self._effort)
            if not spans:
                continue
            self._noticed(rule.name, rule.action, "it has what the rule looks for", times=len(spans))
            if rule.action is Action.REDACT:
                now, redacted = _without(now, spans, rule.replacement), True
        return now if redacted and (now != seen or seen != text) else None

    def _fixed(self, text: str, where: str) -> None:
        """Judge what stands where nothing can be changed."""
        text = plain(text)
        for rule in self._rules.rules:
            if _spans(rule, text, self._effort):
                action = Action.REFUSE if rule.action is Action.REDACT else rule.action
                self._noticed(rule.name, action, f"it has what the rule looks for {where}")

    def _file(self, leaf: Leaf) -> None:
        text = text_of_file(leaf)
        if text is None:
            self.unread("it has " + UNREAD)
        else:
            self._fixed(text, "in a file")

    def _noticed(self, rule: str, action: Action | Unread, what: str, *, times: int = 1) -> None:
        if action in (Action.REFUSE, Unread.REFUSE):
            raise RuleRefusal(rule, what)
        if action is Unread.PASS:
            return
        if action in (Action.LOCAL_ONLY, Unread.LOCAL_ONLY):
            self.local_by = self.local_by or rule
        did = Action.REDACT if action is Action.REDACT else Action.LOCAL_ONLY
        self.counts[rule] = (did, self.counts.get(rule, (did, 0))[1] + times)


def _joined(found: Sequence[Leaf]) -> Iterator[str]:
    """The texts of each message with several parts, as a model reads them: one after another."""
    parts: dict[tuple[object, ...], list[str]] = {}
    for leaf in found:
        if leaf.kind is Kind.TEXT:
            parts.setdefault(leaf.path[:2], []).append(str(leaf.holder[leaf.key]))
    yield from ("".join(texts) for texts in parts.values() if len(texts) > 1)


def _spans(rule: ContentRule, text: str, effort: Effort) -> list[Span]:
    """Where a rule finds something. A text with too many candidates is found whole."""
    try:
        found = sorted(span for finder in rule.finders for span in finder(text, effort))
    except TooMany:
        return [Span(0, len(text))]
    apart: list[Span] = []
    for span in found:
        if apart and span.start < apart[-1].end:
            apart[-1] = Span(apart[-1].start, max(apart[-1].end, span.end))
        else:
            apart.append(span)
    return apart


def _without(text: str, spans: Sequence[Span], replacement: str) -> str:
    out, at = [], 0
    for span in spans:
        out += [text[at : span.start], replacement]
        at = span.end
    return "".join([*out, text[at:]])


def _numbers(value: Any) -> Iterator[str]:  # any JSON
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
        elif is_number(found) and abs(found) >= LEAST_NUMBER:
            yield str(abs(int(found))) if abs(found) < 10**20 else ""
