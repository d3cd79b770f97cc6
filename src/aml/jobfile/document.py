"""A YAML file that knows the line of everything in it, so that every message can say where."""

import itertools
from pathlib import Path
from typing import Any

import yaml
from yaml.error import MarkedYAMLError

from aml.console import display_path
from aml.errors import FileError, Place

MOST_LEVELS = 50  # of lists and mappings in each other
MOST_VALUES = 20_000  # once each alias is replaced by what it stands for


class _Loader(yaml.SafeLoader):
    """PyYAML's loader within bounds: deep nesting takes it minutes, and a few aliases of aliases can mean billions."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = 0
        self._values: dict[yaml.Node, int] = {}  # each node that is complete, and how many values it stands for

    def compose_node(self, parent: yaml.Node | None, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if self._level == MOST_LEVELS:
            raise MarkedYAMLError(problem=f"more than {MOST_LEVELS} levels", problem_mark=mark)
        self._level += 1
        node: Any = super().compose_node(parent, index)
        self._level -= 1
        if node not in self._values and isinstance(event, yaml.AliasEvent):
            raise MarkedYAMLError(problem=f"*{event.anchor} stands inside of itself", problem_mark=mark)
        if node not in self._values:
            inner = node.value if isinstance(node, yaml.CollectionNode) else ()
            parts = itertools.chain.from_iterable(part if isinstance(part, tuple) else (part,) for part in inner)
            self._values[node] = 1 + sum(self._values[part] for part in parts)
        if max(self._values[node], len(self._values)) > MOST_VALUES:
            raise MarkedYAMLError(problem=f"more than {MOST_VALUES} values", problem_mark=mark)
        return node


class Document:
    """A YAML mapping, `data`, read from `path`. Raises UserError when there is no such file, or it is not a mapping."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = display_path(path)
        try:
            loader = _Loader(path.read_text(encoding="utf-8-sig"))
            self._node = loader.get_single_node()
            self.data: Any = loader.construct_document(self._node) if self._node else None
        except OSError as error:
            raise FileError(Place(self.name), str(error.strerror)) from None
        except UnicodeDecodeError as error:
            raise FileError(Place(self.name), f"not UTF-8 ({error.reason})", "save it as UTF-8") from None
        except (yaml.YAMLError, ValueError) as error:  # the latter: a date such as 2026-13-45
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).splitlines()[0]
            raise FileError(Place(self.name, mark.line + 1 if mark else 1), f"not YAML: {problem}") from None
        if not isinstance(self.data, dict):
            raise FileError(Place(self.name, 1), "should be a YAML mapping of keys and values")

    def where(self, *keys: str | int) -> Place:
        """The place of the value at `keys`, or of the deepest part of it that exists."""
        return Place(self.name, self.line(*keys))

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
