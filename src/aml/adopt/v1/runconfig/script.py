"""What the code of a run uses, as far as its imports lead within the project. It is read, never run."""

import re
from pathlib import Path

from aml.adopt.python.closure import UNREADABLE, imports_of, parse, read_code

READ = re.compile(r"""(?:\benviron(?:\.get|\.pop)?|\bgetenv)\s*[\[(]\s*["'](\w+)["']""")  # os.environ["NAME"]


class Code:
    """The names that the code of a run imports, and the environment variables that it reads."""

    def __init__(self, script: Path | None, folder: Path) -> None:
        """`script` and the modules beside it that it imports; all of `folder` when there is no such script."""
        self.modules: set[str] = set()
        self.variables: set[str] = set()
        known = script is not None and script.is_file()
        waiting = [script] if script and known else sorted(folder.glob("*.py"))
        folder = script.parent if script and known else folder
        read: set[Path] = set()
        while waiting:
            path = waiting.pop()
            read.add(path)
            try:
                text = read_code(path)
                found = imports_of(parse(text))
            except UNREADABLE:
                continue  # contract.py reports what cannot be read
            self.variables.update(READ.findall(text))
            names = {".".join(filter(None, (one.module, name))) for one in found for name in ("", *one.names)}
            self.modules |= names
            places = [folder.joinpath(*name.split(".")) for name in names]
            beside = [one for place in places for one in (place.with_suffix(".py"), place / "__init__.py")]
            waiting += [one for one in beside if one.is_file() and one not in read]
