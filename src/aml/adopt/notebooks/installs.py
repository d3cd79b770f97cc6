"""The packages that install lines of notebooks name, for pip and conda."""

import shlex

from packaging.requirements import InvalidRequirement, Requirement

from aml.jobfile.conda import conda_name, conda_requirement, only_conda

INSTALLERS = ("pip", "pip3", "conda", "mamba", "micromamba")
# Options of pip and conda that take a value; the owner learns of the first row.
TOLD = ("-r", "--requirement", "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f", "--find-links")
VALUED = set(
    "-c --constraint --channel -n --name -p --prefix -t --target --root --src --platform --python --python-version"
    " --no-binary --only-binary --progress-bar --timeout --retries --trusted-host --cache-dir --proxy --log"
    " --upgrade-strategy --global-option --config-settings".split()
)


def packages(command: str) -> tuple[list[str], list[str]] | None:
    """The requirements that a command installs, and what else of it its owner has to know; None when it installs none.

    >>> packages("conda install -y numpy=1.16 && ls")
    (['numpy==1.16.*'], [])
    """
    words = _words(command)
    if words[1:2] == ["-m"] and ("python" in words[0] or words[0] == "{sys.executable}"):
        words = words[2:]
    elif words[:1] in (["uv"], ["sudo"]):
        words = words[1:]
    if not words or words[0] not in INSTALLERS or "install" not in words[1:3]:
        return None
    read = _from_pip if words[0].startswith("pip") else _from_conda
    asked: list[str] = []
    told: list[str] = []
    left = iter(words[words.index("install") + 1 :])
    for word in left:
        flag, equals, value = word.partition("=")
        if word.startswith("-") and flag in (*TOLD, *VALUED):
            value = value if equals else next(left, "")
            if flag in ("-e", "--editable") and _from_pip(value):
                asked.append(value)
            elif flag in TOLD:  # an address may hold a password
                told.append(flag if "://" in value else f"{flag} {value}")
        elif not word.startswith("-"):
            (asked if read(word) else told).append(read(word) or word)
    return asked, told


def _words(command: str) -> list[str]:
    """The words of the first command of a line, without what it reads and writes."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    lexer.commenters = ""  # git+https://...#egg=name is none
    try:
        words = list(lexer)
    except ValueError:  # a quotation mark without its second
        words = command.split()
    ends = (at for at, word in enumerate(words) if set(word) <= set("&|;") or word.lstrip("12").startswith((">", "#")))
    return words[: next(ends, None)]


def _from_pip(text: str) -> str:
    """A requirement, or "" for what is none."""
    if text.startswith(("git+", "https://")):
        return text if "@" not in text.partition("://")[2].partition("/")[0] else ""  # a user and a password
    try:
        Requirement(text)
    except InvalidRequirement:
        return ""
    return "" if text.endswith((".whl", ".gz", ".zip", ".txt")) else text


def _from_conda(text: str) -> str:
    """A package of conda as pip has it, or "" for what pip has not."""
    return "" if only_conda(conda_name(text)) else _from_pip(conda_requirement(text) or "")
