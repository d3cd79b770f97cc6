"""Secrets in texts: what looks like one, and texts without them."""

import re
from collections.abc import Sequence

from aml.checks.secrets import CREDENTIALS

# By what the value itself looks like.
VALUES = re.compile(
    CREDENTIALS + r"|(?i:\b(?:password|pwd)=)(?![\s{;<])[^;\s\"']{4,}(?=;|$)"
    r"|\b[a-z][a-z0-9+]*://[^\s:/@{}<]+:[^\s/@{}<]{3,}@"
)
# By the name that it is given to.
_WORDS = (
    r"(?:\w*_)?(?:password|passwd|pwd|client_?secret|secret|secret_?key|api_?key|account_?key|access_?key|storage_?key"
)
_WORDS += r"|subscription_?key|private_?key|sas|sas_?token|access_?token|auth_?token|api_?token|token"
_WORDS += r"|connection_?string|conn_?str)"
_NAMES = re.compile(_WORDS, re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"(?i)<.*>|\{.*\}|\$.*|.*(your|example|placeholder|change_?me|\*\*\*|\.\.\.).*|todo|none|null"
    r"|(.*[\W_])?x{3,}([\W_].*)?"  # three letters x happen in what is random, too
)
_PASSWORD = re.compile(r"(?i)(.*_)?(password|passwd|pwd)")


def is_secret(name: str, value: str) -> bool:
    """Whether a text in code is likely to be a secret, by itself or as the value of this name."""
    if VALUES.search(value):
        return True
    if not _NAMES.fullmatch(name) or _PLACEHOLDER.fullmatch(value) or re.search(r"\s", value):
        return False
    if _PASSWORD.fullmatch(name):
        return len(value) >= 6
    random = len(value) >= 16 and re.search(r"\d", value) and re.search(r"[A-Za-z]", value)
    return (
        bool(random)
        and not re.match(r"(?:https?://|[\w.-]+/)[^?]*$", value)
        and not re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", value)
    )


def is_secret_option(name: str, value: str) -> bool:
    """Whether the value of an option, a setting or an environment variable should not be copied."""
    if not value or value.startswith("$") or re.fullmatch(r"[\d.]{1,7}|true|false|none", value.lower()):
        return False
    last = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)[-1:]
    word = last[0].lower() if last else ""
    if word in ("password", "passwd", "pwd", "secret"):
        return True
    least = 8 if re.search(r"(?i)(api|account|access|storage|subscription)[_-]?key$", name) else 16
    random = re.fullmatch(rf"[\w+/=.~-]{{{least},}}", value) is not None and re.search(r"\d", value) is not None
    return (word in ("key", "token", "sas", "apikey", "credential") and random) or bool(VALUES.search(value))


def is_secret_variable(name: str, value: str) -> bool:
    """Whether an environment variable's value should not be copied: its name is enough, but for a number."""
    if not value or re.fullmatch(r"[\d.]+|true|false|none", value.lower()) or _PLACEHOLDER.fullmatch(value):
        return False
    return is_secret_option(name, value) or is_secret(name, value) or _NAMES.fullmatch(name) is not None


def without_secrets(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command without the options whose values are secrets, and the names of those."""
    kept: list[str] = []
    secret: list[str] = []
    for word in words:
        before = kept[-1] if kept and kept[-1].startswith("-") else ""
        name, equals, value = word.partition("=") if word.startswith("-") else (before, "", word)
        if not is_secret_option(name, value):
            kept.append(word)
            continue
        secret.append(name or "an argument")
        if before and not equals:
            kept.pop()
    return kept, secret


def hide(text: str) -> str:
    """A text with what looks like a secret taken out."""
    text = VALUES.sub("(secret)", text)
    return re.sub(rf"(?i)\b({_WORDS})([\"']?\s*[=:]\s*)([\"'])[^\"']+\3", r"\1\2(secret)", text)
