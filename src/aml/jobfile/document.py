"""A YAML file that knows the line of everything in it, so that every message can say where."""

from pathlib import Path
from typing import Any

import yaml

from aml.console import display_path
from aml.errors import UserError


class Document:
    """A YAML mapping, `data`, read from `path`. Raises UserError when there is no such file, or it is not a mapping."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = display_path(path)
        try:
            loader = yaml.SafeLoader(path.read_text(encoding="utf-8-sig"))
            self._node = loader.get_single_node()
            self.data: Any = loader.construct_document(self._node) if self._node else None
        except OSError as error:
            raise UserError(f"{self.name}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise UserError(f"{self.name}: not UTF-8 ({error.reason}); save it as UTF-8") from None
        except (yaml.YAMLError, ValueError) as error:  # the latter: a date such as 2026-13-45
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).splitlines()[0]
            raise UserError(f"{self.name}:{mark.line + 1 if mark else 1}: not YAML: {problem}") from None
        if not isinstance(self.data, dict):
            raise UserError(f"{self.name}:1: should be a YAML mapping of keys and values")

    def where(self, *keys: str | int) -> str:
        """`file:line` of the value at `keys`, or of the deepest part of it that exists."""
        return f"{self.name}:{self.line(*keys)}"

    def line(self, *keys: str | int) -> int:
        """The line of the value at `keys`, or of the deepest part of it that exists, counted from 1."""
        node, line = self._node, 1
        for key in keys:
            if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
                node = node.value[key]
                line = node.start_mark.line + 1
            elif isinstance(node, yaml.MappingNode):
                pairs = [(name, value) for name, value in node.value if name.value == str(key)]
                if not pairs:
                    break
                name, node = pairs[-1]
                line = name.start_mark.line + 1
            else:
                break
        return line
