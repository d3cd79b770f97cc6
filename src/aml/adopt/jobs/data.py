"""The data that the code reads: what of it comes along into sample-data/, and the data assets that a cluster reads."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aml.adopt import DataInput, Note
from aml.adopt.discover.source import Source
from aml.adopt.tree import files_below, shown

LARGEST = 50 * 2**20  # bytes that are copied; more stays where it is
FOLDER = "../sample-data"  # as files in aml_config/ name it


@dataclass
class Asset:
    """A data asset: what aml_config/data.yml or data-NAME.yml describes."""

    name: str
    type: str
    path: str  # as the description names it


def _words(name: str) -> tuple[str, ...]:
    """The words of a name, without those that say only that it is data."""
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    words = [re.sub(r"(?<=\w{3})(dataset|data|table|csv)$", "", word) for word in words]  # salesdata
    plain = ("csv", "data", "dataset", "datasets", "ds", "file", "input", "parquet", "path", "table")
    return tuple(word for word in words if word not in plain)


def _is(own: tuple[str, ...], name: tuple[str, ...]) -> bool:
    return own == name


def _has(own: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Whether one has all words of the other."""
    return bool(own) and ({*own} >= {*name} or {*own} <= {*name})


def _begins(own: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """The same, where train is training."""
    pairs = [(one, two) for one in own for two in name if min(len(one), len(two)) > 3]
    return any(one.startswith(two) or two.startswith(one) for one, two in pairs)


@dataclass
class Data:
    """Decides for each input what the job of this machine reads, and what the cluster's does."""

    source: Source
    asset: str  # name of the first asset
    inputs: Sequence[DataInput] = ()  # that the code takes
    files: dict[str, Path] = field(default_factory=dict)  # path in sample-data/ -> file
    assets: list[Asset] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    folders: dict[Path, str] = field(default_factory=dict)  # those of the source that have one in sample-data/

    def sample(self) -> Path | None:
        """What stands in for data that v1 names and this machine does not have: the tables that lie with the code.

        As the job files are to name it; None when there are none.
        """
        if not self.source.data:
            return None
        first = self.source.data[0]
        return Path(self._place(first if first.is_dir() else first.parent, self._beside(first)))

    def here(self, data: DataInput) -> str:
        """The path of an input in the job of this machine."""
        if isinstance(data.path, Path) and data.files:
            self.files |= {file.relative_to(data.path).as_posix(): file for file in data.files}
            return FOLDER
        if isinstance(data.path, Path) and data.path.is_absolute():
            return self._place(data.path, [data.path] if data.path.is_file() else files_below(data.path))
        if isinstance(data.path, Path):
            return data.path.as_posix()
        if not self.source.data:
            text = f"input {data.name}: put a sample of the data into sample-data/, or name its path"
            self._note(Note("decide", "", text, "no-data", data.name))
            return FOLDER
        found = self._meant(data)
        if len(found) > 1:
            names = ", ".join(shown(self.source.root, path) for path in found[:5])
            text = f"input {data.name}: nothing says which of {names} it is: name it in train-local.yml and data.yml"
            self._note(Note("decide", "", text, "which-data", data.name))
            return f"{FOLDER}/{data.name}{found[0].suffix}"
        first = found[0]
        if data.type == "uri_file" and first.is_file():
            return self._place(first, [first])
        return self._place(first if first.is_dir() else first.parent, self._beside(first))

    def _meant(self, data: DataInput) -> list[Path]:
        """The data of the source that an input without a path may be: by its name, never by order."""
        known = [one.path for one in self.inputs if isinstance(one.path, Path)]
        left = [path for path in self.source.data if path not in known] or self.source.data
        asset = re.split(r"[@:]", data.path.removeprefix("azureml:"))[0] if isinstance(data.path, str) else ""
        names = {_words(data.name), _words(re.split(r"[\\/]", asset.rstrip("/"))[-1])} - {()}
        for fits in (_is, _has, _begins):
            found = [path for path in left if any(fits(_words(path.stem), name) for name in names)]
            if found:
                return found
        if data.type == "uri_folder":  # a folder of tables is one
            folders = {path if path.is_dir() else path.parent: path for path in reversed(left)}
            return [*reversed(folders.values())]
        return left

    def _note(self, note: Note) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def there(self, data: DataInput, here: str) -> str:
        """The path of the same input in the job of a cluster: an address as it is, else an asset of its own."""
        if isinstance(data.path, str):
            return data.path
        known = next((asset for asset in self.assets if asset.path == here), None)
        if known is None:
            name = f"{self.asset}-{data.name.replace('_', '-')}" if self.assets else self.asset
            known = Asset(name, data.type, here)
            self.assets.append(known)
        return f"azureml:{known.name}@latest"

    def descriptions(self) -> dict[str, Asset]:
        """The files in aml_config/ that describe the assets; the first is what `aml register-data` takes by itself."""
        names = ["data.yml", *(f"data-{one.name.removeprefix(f'{self.asset}-')}.yml" for one in self.assets[1:])]
        return dict(zip(names, self.assets, strict=False))

    def describe(self, asset: Asset) -> None:
        """Add a data asset, unless one of its name is there."""
        if not any(known.name == asset.name for known in self.assets):
            self.assets.insert(0, asset)

    def _beside(self, first: Path) -> list[Path]:
        """The data that lies in the same folder."""
        if first.is_dir():
            return files_below(first)
        return [path for path in self.source.data if path.is_file() and path.parent == first.parent]

    def _place(self, path: Path, files: list[Path]) -> str:
        """Let files come along, and return where `path`, one of them or their folder, is then."""
        if sum(file.stat().st_size for file in files) > LARGEST and self.source.at_home(path).exists():
            text = "is large, so it is left where it is: train-local.yml names it by its path on this machine"
            self.notes.append(Note("decide", shown(self.source.root, path), text))
            return self.source.at_home(path).as_posix()
        if path.is_file():
            place = path.name
            if self.files.setdefault(place, path) != path:
                place = f"{self._folder(path.parent)}/{path.name}"
                self.files[place] = path
            return f"{FOLDER}/{place}"
        # A folder of tables is sample-data/ itself, where nothing else is read from there; any other one keeps its
        # name, and its inner folders.
        alone = len({one.path for one in self.inputs if isinstance(one.path, Path)}) <= 1
        if alone and all(file.parent == path and self.files.get(file.name, file) == file for file in files):
            self.files |= {file.name: file for file in files}
            return FOLDER
        place = self._folder(path)
        self.files |= {f"{place}/{file.relative_to(path).as_posix()}": file for file in files}
        return f"{FOLDER}/{place}"

    def _folder(self, path: Path) -> str:
        """The name in sample-data/ of a folder of the source, which no other one has."""
        names = (path.name, *(f"{path.name}-{number}" for number in range(2, 99)))
        return self.folders.setdefault(path, next(name for name in names if name not in self.folders.values()))
