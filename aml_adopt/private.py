"""Secrets in source text: what looks like one, and texts without them."""

import re

# By what the value itself looks like.
VALUES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{16,}=*"
    r"|[?&]sig=[A-Za-z0-9%+/]{16,}=*"
    r"|(?i:\b(?:password|pwd)=)(?![\s{;<])[^;\s\"']{4,}(?=;|$)"
    r"|\b[a-z][a-z0-9+]*://[^\s:/@{}<]+:[^\s/@{}<]{3,}@"
    r"|\b(?:gh[pousr]_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9]{32,})\b"
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
    """Whether a text is likely to be a secret, by itself or as the value of this name."""
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


def hide(text: str) -> str:
    """A text with what looks like a secret taken out."""
    text = VALUES.sub("(secret)", text)
    return re.sub(rf"(?i)\b({_WORDS})([\"']?\s*[=:]\s*)([\"'])[^\"']+\3", r"\1\2(secret)", text)
