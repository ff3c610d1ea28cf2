"""The rules about contents of a config: `general_settings.content_rules` (ours).

content_rules:
  - {name: cards, find: [card, iban], action: local_only}
  - {name: mail, find: email, action: redact}
  - {name: files, pattern: 'AZ-[0-9]{6}', action: refuse, reads: both}
"""

import re

from models_registry.config.listed import ListedEntry
from models_registry.config.sections import GeneralSettings
from models_registry.contents.patterns import FINDERS, BadPattern, Finder, pattern
from models_registry.contents.rules import NO_RULES, Action, ContentRule, ContentRules, Unread

PATH = "general_settings.content_rules"
MAX_RULES = 100
MAX_PATTERNS = 50
MAX_REPLACEMENT_CHARS = 100
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_READ = frozenset({"name", "find", "pattern", "patterns", "action", "replacement", "ignore_case", "reads"})
REQUEST, ANSWER, BOTH = "request", "answer", "both"


def content_rules_of(general: GeneralSettings) -> tuple[ContentRules, tuple[str, ...]]:
    """The rules of a config, and the errors in them."""
    listed = general.content_rules or []
    errors: list[str] = []
    rules: list[tuple[ContentRule, str]] = []
    if len(listed) > MAX_RULES:
        errors.append(f"{PATH}: at most {MAX_RULES}")
    for place, item in enumerate(listed[:MAX_RULES]):
        reading = _ListedRule(f"{PATH}[{place}]", item)
        rule, reads = reading.rule(), reading.reads()
        errors += reading.errors
        if rule is not None and any(rule.name == other.name for other, _ in rules):
            errors.append(f"{PATH}[{place}].name: another rule has this name")
        elif rule is not None:
            rules.append((rule, reads))
    said = general.content_rules_unread
    if said is not None and said not in {each.value for each in Unread}:
        errors.append(f"{PATH}_unread: expected {', '.join(each.value for each in Unread)}")
        said = None
    if not rules:
        return NO_RULES, tuple(errors)
    requests = tuple(rule for rule, reads in rules if reads != ANSWER)
    answers = tuple(rule for rule, reads in rules if reads != REQUEST)
    strict = any(rule.action is not Action.LOCAL_ONLY for rule in requests)
    unread = Unread(said) if said else Unread.REFUSE if strict else Unread.LOCAL_ONLY
    return ContentRules(rules=requests, answers=answers, unread=unread), tuple(errors)


class _ListedRule(ListedEntry):
    """Reads one rule."""

    def rule(self) -> ContentRule | None:
        """The rule. None: it has errors."""
        if self.errors:
            return None
        self.check_names(_READ)
        said = self._item.get("name")
        name = said if isinstance(said, str) else ""
        if not NAME.fullmatch(name):
            self.wrong("name", "expected 1 to 64 letters, digits, `_`, `.`, `-`")
        action = self._item.get("action")
        if action not in {each.value for each in Action}:
            self.wrong("action", f"expected {', '.join(each.value for each in Action)}")
        finders = (*self._named(), *self._patterns())
        if not finders and not self.errors:
            self.wrong("find", "expected something to find, here or in `pattern`")
        replacement = self._item.get("replacement", f"[{name.upper()}]")
        if not isinstance(replacement, str) or len(replacement) > MAX_REPLACEMENT_CHARS:
            self.wrong("replacement", f"expected a text of at most {MAX_REPLACEMENT_CHARS} characters")
        if self.errors:
            return None
        return ContentRule(name=name, finders=finders, action=Action(action), replacement=replacement)

    def reads(self) -> str:
        """What the rule reads. An answer is there already: no rule keeps it local."""
        found = self._item.get("reads", REQUEST)
        if found not in (REQUEST, ANSWER, BOTH):
            self.wrong("reads", f"expected {REQUEST}, {ANSWER} or {BOTH}")
            return REQUEST
        if found != REQUEST and self._item.get("action") == Action.LOCAL_ONLY.value:
            self.wrong("reads", "local_only is for requests: an answer is redacted or refused")
        return str(found)

    def _named(self) -> tuple[Finder, ...]:
        found = self._listed("find")
        for each in found:
            if each not in FINDERS:
                self.wrong("find", f"expected {', '.join(FINDERS)}, found {each[:64]!r}")
        return tuple(FINDERS[each]() for each in found if each in FINDERS)

    def _patterns(self) -> tuple[Finder, ...]:
        ignore_case = self._item.get("ignore_case", False)
        if not isinstance(ignore_case, bool):
            self.wrong("ignore_case", "expected true or false")
        made = []
        texts = [*self._listed("pattern"), *self._listed("patterns")]
        if len(texts) > MAX_PATTERNS:
            self.wrong("patterns", f"at most {MAX_PATTERNS}")
        for text in texts[:MAX_PATTERNS]:
            try:
                made.append(pattern(text, ignore_case=ignore_case is True))
            except BadPattern as exc:
                self.wrong("pattern", f"{text[:100]!r} can't be used: {exc}")
        return tuple(made)

    def _listed(self, name: str) -> list[str]:
        found = self._item.get(name)
        listed = found if isinstance(found, list) else [] if found is None else [found]
        if not all(isinstance(each, str) for each in listed):
            self.wrong(name, "expected a text or a list of texts")
            return []
        return list(listed)
