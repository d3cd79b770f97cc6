"""Protecting a path that goes into a job's command, for the shell that runs the command."""

import re
import shlex

MARKS = {  # what changes the state of bash's reader in plain text and $( ), in single and in double quotes
    "(": re.compile(r"\\.|(?<![^\s;&|(])#[^\n]*|\(|\)|'|\"", re.DOTALL),
    "'": re.compile("'"),
    '"': re.compile(r'\\.|\$\(|"', re.DOTALL),
}


def quote_for_bash(value: str, before: str) -> str:
    """`value` protected for the place in a shell command that follows `before`, where quotes may be open.

    Here-documents and backquotes are not understood.
    """
    inside, at = ["("], 0
    while found := MARKS[inside[-1]].search(before, at):
        at = found.end()
        if found[0] == inside[-1] != "(" or (found[0] == ")" and inside[1:]):
            inside.pop()
        elif found[0] in ("(", "$(", "'", '"'):
            inside.append(found[0][-1])
    if inside[-1] == "'":
        return value.replace("'", "'\\''")
    return re.sub(r'(["\\$`])', r"\\\1", value) if inside[-1] == '"' else shlex.quote(value)


def quote_for_cmd(value: str, before: str) -> str:
    """The same for Windows' cmd: a path there never holds a double quote."""
    return value if before.count('"') % 2 or not re.search(r"[\s&()^;,=]", value) else f'"{value}"'
