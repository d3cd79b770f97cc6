"""Texts of job files: arguments for a shell, and YAML with comments."""

import io
import re
import textwrap
from typing import Any

import yaml

from aml.adopt.v1.runconfig.keys import Keys

NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
PLAIN = re.compile(r"[\w@+:./=-]+", re.ASCII)


def write(job: dict[str, Any], comments: dict[Keys, str]) -> str:
    """A job file: comments above the keys they are for, one flag of the command a line."""
    from ruamel.yaml import YAML

    writer = YAML()
    writer.width = 2**16
    text = io.StringIO()
    writer.dump(_commented(job, (), comments), text)
    return text.getvalue()


def _commented(value: Any, keys: Keys, comments: dict[Keys, str]) -> Any:
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.scalarstring import FoldedScalarString

    if isinstance(value, dict):
        mapping = CommentedMap((_text(key), _commented(inner, (*keys, key), comments)) for key, inner in value.items())
        for key in value:
            if comment := comments.get((*keys, key)):
                width = 116 - 2 * len(keys)
                lines = [
                    part for line in NOT_PRINTABLE.sub("?", comment).splitlines() for part in textwrap.wrap(line, width)
                ]
                mapping.yaml_set_comment_before_after_key(key, before="\n".join(lines), indent=2 * len(keys))
        return mapping
    if isinstance(value, list):
        return [_commented(item, keys, comments) for item in value]
    if not isinstance(value, str):
        return value
    if keys == ("command",) and re.fullmatch(r"\S+( \S+)+", value) and not NOT_PRINTABLE.search(value):
        folded = FoldedScalarString(value)
        folded.fold_pos = _folds(value)
        return folded
    return _text(value)


def _text(value: str) -> str:
    """A key or a text, in quotation marks where YAML 1.1, which azure-ai-ml reads, takes it for something else."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    plain = tag == "tag:yaml.org,2002:str" and not NOT_PRINTABLE.search(value)
    return value if plain else DoubleQuotedScalarString(value)  # ruamel writes YAML 1.2, where `yes` is a text


def _folds(command: str) -> list[int]:
    """Where a command may be broken: before each flag that stands outside quotes."""
    quoted = [False]
    for match in re.finditer(r'\\.|"|.', command):
        quoted += [quoted[-1] != (match[0] == '"')] * len(match[0])
    return [
        match.start() for match in re.finditer(r"(?<!python) (?=--?[A-Za-z])", command) if not quoted[match.start()]
    ]


def quote(text: str) -> str:
    """An argument for the shell: the same in bash and, as far as cmd can say it, in Windows' cmd."""
    return text if PLAIN.fullmatch(text) else f'"{escaped(text)}"'


def escaped(text: str) -> str:
    """`text` for within double quotes. A backslash needs protection only where bash would see an escape."""
    text = re.sub(r'\\(?=[\\$`"\n]|$)|["`$]', lambda match: "\\" + match[0], text)
    return text.replace("\\${{", '\\$""{{')  # would be taken for a reference to an input
