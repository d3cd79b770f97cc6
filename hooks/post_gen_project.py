"""Writes where the aml package comes from, confirms the workspace settings of the new repository, says how to go on."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# No password, nor what may be a token: a name in front of a host is for ssh, or Azure DevOps's, which the path repeats.
ADDRESS = (
    r"(git\+)?(https?://(([\w.-]+)@(?=[^/@]+/\4/))?|ssh://([\w.-]+@)?|git://|file://)[\w.:-]*/[\w.~:/@!$&()*+,;=%#-]+"
)
PLACEHOLDER = "aml-template @ file:///post_gen_project-did-not-run"
SETTINGS = ("subscription_id", "resource_group", "workspace_name")
RESOURCE = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}?api-version=2024-10-01"
NOT_SET = "00000000-0000-0000-0000-000000000000"
ATTACH = """Everything on this machine works without them. To set them:
  aml workspace attach -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE"""
ACTIVATE = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
STEPS = ["python -m venv .venv", ACTIVATE, "pip install -e .", "aml check", "aml submit -c train-local"]


def git(folder: Path, *arguments: str) -> str:
    """What git says of the repository in exactly this folder; nothing where there is none."""
    command = ["git", f"--git-dir={folder / '.git'}", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8") if shutil.which("git") else None
    return done.stdout.strip() if done and done.returncode == 0 else ""


def find(path: str, bases: list[Path]) -> Path:
    """The file or folder of this path in the first of the bases that has it; a whole path is the same in each."""
    places = (base / Path(path).expanduser() for base in bases)
    if found := next((place for place in places if place.exists()), None):
        return found.resolve()
    sys.exit(f"Nothing was generated: {path!a} is neither an address nor found on this machine. Write its whole path.")


def origin(answers: dict[str, str], bases: list[Path]) -> tuple[str, str]:
    """Where this template came from, a git address or the path of a folder, and the commit that was used."""
    template, used = answers["_template"], Path(answers.get("_repo_dir", ""))
    if "_commit" in answers:  # cruft's
        return template, answers["_commit"]
    if template != answers["_repo_dir"]:
        return git(used, "config", "remote.origin.url") or template, git(used, "rev-parse", "HEAD")
    folder = find(f"{template}/cookiecutter.json", bases).parent
    return str(folder), git(folder, "rev-parse", "HEAD")


def source(text: str, commit: str, bases: list[Path]) -> str:
    """What pip takes for an index requirement, a path or an address; git's addresses get the commit if there is one."""
    if re.fullmatch(r"[a-zA-Z][\w.-]*(?<!\.whl)(\[[\w,.-]+\])? *([<>=!~][\w.*+!, <>=~]*)?", text, re.ASCII):
        return text
    text = re.sub(r"^gh:", "https://github.com/", re.sub(r"^aml-template *@ *", "", text))
    if scp := re.fullmatch(r"([\w.-]+@[\w.-]+|[\w.-]{2,}):(?!//)/?([^\\]+)", text):
        text = f"ssh://{scp[1]}/{scp[2]}"
    plain = not commit and re.search(r"^git\+|^file:(?!.*\.git$)|\.(whl|zip|tar\.gz)(#|$)", text)
    if "://" not in text:
        path = find(text, bases)
        text, plain = path.as_uri(), path.is_file() or (path / "pyproject.toml").is_file()  # else a bare repository
    if not re.fullmatch(ADDRESS, text, re.ASCII):
        sys.exit("Nothing was generated: the address of the template or package has a password or token in it, or letters\n"
                 "that no address has. Leave a password to git's credential helper: git help credentials")  # fmt: skip
    return text if plain else f"git+{text}@{commit}".removesuffix("@")


def write(root: Path, package: str, recorded: str, template: str, commit: str) -> int:
    """Let pyproject.toml name the package, and .cruft.json what cruft updates from; returns the line of the former."""
    pyproject, cruft = root / "pyproject.toml", root / ".cruft.json"
    before, _, after = pyproject.read_text(encoding="utf-8").partition(PLACEHOLDER)
    pin = f"aml-template @ {package}" if "://" in package else package
    pyproject.write_text(f"{before}{pin}{after}", encoding="utf-8", newline="\n")
    record = json.loads(cruft.read_text(encoding="utf-8")) | {"template": template, "commit": commit or None}
    record["context"]["cookiecutter"] |= {"package": recorded, "_template": template}
    cruft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8", newline="\n")
    return before.count("\n") + 1


def ask(az: str, values: list[str]) -> str:
    """What the workspace's line says once Azure was asked, through the az command, within 5 seconds."""
    command = [
        az,
        "rest",
        "--url",
        RESOURCE.format(*values),
        "--output",
        "tsv",
        "--query",
        "[location, properties.storageAccount]",
    ]
    with tempfile.TemporaryFile() as file:  # a pipe would wait for the children of az, too
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=5)
        except subprocess.TimeoutExpired:
            return "not confirmed: no answer within 5 s: aml workspace tries again"
        said = (file.seek(0), " ".join(file.read().decode(errors="replace").split()))[1]
    if done.returncode == 0:
        return "confirmed: in {}, storage {}".format(*re.split(r"\S+/| ", said))
    if "az login" in said:
        return "not confirmed: not signed in to Azure: run `az login`, then aml workspace"
    found = re.search(r'"message": ?"([^"]+)', said)
    return (
        f"not confirmed: {'not found, or not yours: ' if 'NotFound' in said else ''}{found[1] if found else said[:200]}"
    )


def report(root: Path) -> tuple[list[str], bool]:
    """The lines on the workspace settings, whose form pre_gen_project.py has judged, and whether Azure has them."""
    file, note, az = root / "aml_config" / "config.json", "confirmed: readable", shutil.which("az")
    settings = json.loads(file.read_text(encoding="utf-8"))
    above = (folder / ".azureml" / "config.json" for folder in (root, *root.parents))
    shared = next((path for path in above if path.is_file()), file)
    if shared != file and settings["subscription_id"] == NOT_SET:  # the settings of the whole codebase count
        file, az, settings = shared, None, json.loads(shared.read_text(encoding="utf-8-sig"))
    elif shared != file:
        note = f"not confirmed: shadowed: MLClient.from_config() without a path reads {shared} (aml reads its own)"
    values = [str(settings.get(name, NOT_SET)) for name in SETTINGS]
    states = ["not set" if value == NOT_SET else "confirmed: in form only, not looked up in Azure" for value in values]
    if az and "not set" not in states:
        states[2] = ask(az, values)
        states[:2] = ["confirmed"] * 2 if states[2].startswith("confirmed") else states[:2]
    width = max(map(len, values))
    lines = [f"  {row[0]:<15}  {row[1]:<{width}}  {row[2]}" for row in zip(SETTINGS, values, states, strict=True)]
    more = ATTACH if "not set" in states else "To look them up in Azure: aml workspace" if "form" in states[2] else ""
    confirmed = " in " in states[2] and states[0] == "confirmed" and note == "confirmed: readable"
    return [f"Workspace settings, {os.path.relpath(file)}", f"  {note}", *lines, *more.splitlines()], confirmed


def main(root: Path, answers: dict[str, str]) -> int:
    """Complete the repository in `root`; returns the exit status."""
    out = Path(answers.get("_output_dir", root.anchor))
    bases = [Path(os.environ.get("PWD", out)), out, *out.parents] if "_commit" not in answers else [out]
    template, commit = origin(answers, bases)
    package = source(template, commit, bases)  # refused for a password, whatever the answer says
    if answers["package"] != "template":
        package = answers["package"] = source(answers["package"], "", bases)
    line = write(root, package, answers["package"], template, commit)
    if "_commit" in answers and root.parent.parent == Path(tempfile.gettempdir()).resolve():
        return 0  # one of two that cruft makes to compare them
    lines, confirmed = report(root)
    print("\n".join(lines))
    if os.environ.get("AML_CONFIRM") == "strict" and not confirmed:
        print("AML_CONFIRM=strict: the workspace is not confirmed, so nothing is generated", file=sys.stderr)
        return 1
    if "file:" in package:
        print(f"\nThe package aml comes from {package}, which is on this machine only. Before you share this")
        print(f"repository, name an address in pyproject.toml, line {line}, and as the template in .cruft.json.")
    print("\n  ".join([f"\nNext, in {root}:", *STEPS, f"aml register-model -n {answers['__model']}"]))
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a legacy Windows console lacks some letters
    sys.exit(main(Path.cwd(), json.loads(r"""{{ cookiecutter | jsonify }}""")))
