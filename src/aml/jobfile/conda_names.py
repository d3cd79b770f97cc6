"""Which package of PyPI a conda package is.

Only what is known to be the same package is taken from PyPI: a package there that happens to have the name of one of
conda, such as zlib or graphviz, is a stranger's.
"""

import functools
from pathlib import Path

FILE = Path(__file__).with_name("conda_names.txt")
# Where the file knows none, or another one: packages that only choose a build of another, or whose name on PyPI is that
# of a stranger or of a predecessor. None: PyPI has the source alone, which needs conda's libraries.
OWN: dict[str, str | None] = {
    "faiss": "faiss-cpu",
    "faiss-cpu": "faiss-cpu",
    "faiss-gpu": None,
    "gdal": None,
    "keras-gpu": "keras",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyqt": "pyqt5",
    "pytorch-gpu": "torch",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "xgboost-cpu": "xgboost",
}


def pypi_name(name: str) -> str | None:
    """The name on PyPI of a conda package, or None when nothing there is known to be the same."""
    return OWN[name] if name in OWN else _names().get(name)


@functools.cache
def _names() -> dict[str, str]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return {pair[0]: pair[-1] for pair in pairs}
