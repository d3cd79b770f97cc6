"""What should not travel with the code: secrets, and more than a snapshot should hold."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aml.checks.finding import Finding
from aml.console import display_path
from aml.jobfile import snapshot

# What nobody writes but to give access: private keys, keys of Azure's storage and buses, signatures, tokens.
CREDENTIALS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|(?:AccountKey|SharedAccessKey|SharedAccessSignature)=[A-Za-z0-9+/%&=]{16,}"
    r"|[?&]sig=[A-Za-z0-9%+/]{16,}=*"
    r"|\b(?:gh[pousr]_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9]{32,})\b"
)
TOO_LARGE = 100 * 2**20  # bytes; azure-ai-ml warns above it
SECRET_NAMES = re.compile(
    r"\.env(\..+)?|.+\.(pem|pfx|p12|key)|id_(rsa|dsa|ecdsa|ed25519)|\.(netrc|pypirc|git-credentials)"
)
SECRETS = re.compile(
    CREDENTIALS.encode() + rb"|(?i:client_secret|password|api_key)[\"']?\s*[:=]\s*[\"'][^\"'\s{}$]{8,}[\"']"
)


def check_snapshot(code: Path) -> Iterator[Finding]:
    """The findings on a folder of code: secrets in what travels of it, and more than TOO_LARGE bytes."""
    rules = display_path(snapshot.ignore_file(code) or code / ".amlignore")
    sizes: Counter[str] = Counter()
    for file in snapshot.files(code):
        path = code / file
        size = path.stat().st_size
        sizes[file.parts[0]] += size
        if SECRET_NAMES.fullmatch(file.name):
            yield Finding(display_path(path), 0, "a secret would travel with the code", f"name it in {rules}", "secret")
        elif size < 2**20:
            content = path.read_bytes()
            if found := SECRETS.search(content):
                line = content.count(b"\n", 0, found.start()) + 1
                problem = "looks like a secret, and would travel with the code"
                yield Finding(display_path(path), line, problem, "take it out", "secret")
    if sizes.total() > TOO_LARGE:
        part, size = sizes.most_common(1)[0]
        travels = f"{sizes.total() / 2**20:.0f} MB would travel with the code, {size / 2**20:.0f} of them {part}"
        yield Finding(display_path(code), 0, travels, f"name in {rules} what no job needs", "snapshot")
