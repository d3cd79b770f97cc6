"""The model repository on disk."""

from pathlib import Path

from aml.errors import UserError


def find_root(start: Path | None = None) -> Path:
    """The model repository around `start` (default: the working folder): the nearest folder that holds aml_config/.

    Raises UserError outside of one.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "aml_config").is_dir():
            return folder
    raise UserError(f"{start} is not in a model repository (no aml_config/ here or above): cd into one")
