"""References in a command, such as ${{inputs.rate}}, and its optional parts, such as $[[--rate ${{inputs.rate}}]]."""

import re
from collections.abc import Container

# The SDK's own pattern, ${{inputs\.([\w\.-]+)}}, misses the spaced form that its documentation uses.
REFERENCE = re.compile(r"\$\{\{\s*(?P<kind>[A-Za-z_]+)\.(?P<name>[\w.-]+?)\s*\}\}")
OPTIONAL = re.compile(r"\$\[\[(.*?)\]\](?!\])", re.DOTALL)
# What azure-ai-ml 1.35 lets name an input that the job lacks (_input_output_helpers.py): plain words before one input.
MAY_LACK = re.compile(r"[\w\s.-]*" + REFERENCE.pattern)


def resolve_optional(command: str, inputs: Container[str]) -> str:
    """The command as the service runs it: optional parts without their marks, and none whose input is not given.

    A part that azure-ai-ml would not accept without its input stays, for the reference in it to be found undefined.
    """

    def part(match: re.Match[str]) -> str:
        one = MAY_LACK.fullmatch(match[1])
        return "" if one and one["kind"] == "inputs" and one["name"] not in inputs else match[1]

    return OPTIONAL.sub(part, command)
