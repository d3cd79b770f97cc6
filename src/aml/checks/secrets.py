"""What should not travel with the code: secrets, and more than a snapshot should hold."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aml.console import display_path
from aml.jobfile import snapshot

TOO_LARGE = 100 * 2**20  # bytes; azure-ai-ml warns above it
SECRET_NAMES = re.compile(
    r"\.env(\..+)?|.+\.(pem|pfx|p12|key)|id_(rsa|dsa|ecdsa|ed25519)|\.(netrc|pypirc|git-credentials)"
)
SECRETS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|(Account|SharedAccess)Key=[A-Za-z0-9+/]{20}|[?&]sig=[A-Za-z0-9%]{20}"
    rb"|(?i:client_secret|password|api_key)[\"']?\s*[:=]\s*[\"'][^\"'\s{}$]{8,}[\"']"
)


def check_snapshot(code: Path) -> Iterator[str]:
    """What should not travel: secrets, and more than TOO_LARGE bytes."""
    rules = display_path(snapshot.ignore_file(code) or code / ".amlignore")
    sizes: Counter[str] = Counter()
    for file in snapshot.files(code):
        path = code / file
        size = path.stat().st_size
        sizes[file.parts[0]] += size
        if SECRET_NAMES.fullmatch(file.name):
            yield f"{display_path(path)}: a secret would travel with the code: name it in {rules}"
        elif size < 2**20:
            content = path.read_bytes()
            if found := SECRETS.search(content):
                line = content.count(b"\n", 0, found.start()) + 1
                yield f"{display_path(path)}:{line}: looks like a secret, and would travel with the code: take it out"
    if sizes.total() > TOO_LARGE:
        part, size = sizes.most_common(1)[0]
        travels = f"{sizes.total() / 2**20:.0f} MB would travel with the code, {size / 2**20:.0f} of them {part}"
        yield f"{display_path(code)}: {travels}: name in {rules} what no job needs"
