"""Writes where the aml package comes from into the new repository, and says how to go on."""

import json
import sys
from pathlib import Path


def main(folder, answers):
    """Complete the repository in `folder`; returns the exit status."""
    pyproject = folder / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    source = Path(answers["_template"]).resolve().as_uri()
    text = text.replace("file:///post_gen_project-did-not-run", source)
    pyproject.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd(), json.loads(r"""{{ cookiecutter | jsonify }}""")))
