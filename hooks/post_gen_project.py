"""Writes where the aml package comes from, confirms the workspace settings of the new repository, says how to go on."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PLACEHOLDER = "aml-template @ file:///post_gen_project-did-not-run"
# No password, nor what may be a token: a name in front of a host is for ssh, or Azure DevOps's, which the path repeats.
NAME = r"(https?://(([\w.-]+)@(?=[^/@]+/\4/))?|ssh://([\w.-]+@)?|git://|file://)"
ADDRESS = rf"(git\+)?{NAME}[\w.:-]*/[\w.~:/@!$&()*+,;=%#-]+"
SETTINGS = ("subscription_id", "resource_group", "workspace_name")  # whose form pre_gen_project.py has judged
IN_AZURE = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}?api-version=2024-10-01"  # noqa: E501
TO_ASK = ["--query", "[location, properties.storageAccount]", "--output", "tsv", "--only-show-errors"]
CLIENT = "confirmed: shadowed: MLClient.from_config() without a path"
ATTACH = """
Everything on this machine works without them. To set them:
  aml workspace attach -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE"""
ACTIVATE = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
STEPS = ["python -m venv .venv", ACTIVATE, "pip install -e .", "aml check", "aml submit -c train-local"]


def find(path: str, bases: list[Path]) -> Path:
    """The file or folder of this path in the first of the bases that has it; a whole path is the same in each."""
    places = (base / Path(path).expanduser() for base in bases)
    if found := next((place for place in places if place.exists()), None):
        return found.resolve()
    sys.exit(f"Nothing was generated: {path!a} is neither an address nor found on this machine. Write its whole path.")


def origin(answers: dict[str, str], bases: list[Path]) -> list[str]:
    """Where this template came from, a git address or the path of a folder, and the commit that was used."""
    if "_commit" in answers:  # cruft's
        return [answers["_template"], answers["_commit"]]
    local = answers["_repo_dir"] == answers["_template"]
    folder = find(f"{answers['_template']}/cookiecutter.json", bases).parent if local else Path(answers["_repo_dir"])
    git = [shutil.which("git") or sys.executable, f"--git-dir={folder / '.git'}"]  # either says nothing without git
    questions = (["config", "remote.origin.url"], ["rev-parse", "--verify", "HEAD"])
    address, commit = (subprocess.run([*git, *words], capture_output=True, text=True).stdout for words in questions)
    return [str(folder) if local else address.strip() or answers["_template"], commit.strip()]


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
    if re.fullmatch(ADDRESS, text, re.ASCII):
        return f"aml-template @ {text}" if plain else f"aml-template @ git+{text}@{commit}".removesuffix("@")
    sys.exit("Nothing was generated: the address of the template or package has a password or token in it, or letters"
             "\nthat no address has. Leave a password to git's credential helper: git help credentials")  # fmt: skip


def write(root: Path, pin: str, **used: str) -> int:
    """Let pyproject.toml name the package, and .cruft.json what cruft updates from; returns the line of the former."""
    pyproject, cruft = root / "pyproject.toml", root / ".cruft.json"
    before, _, after = pyproject.read_text(encoding="utf-8").partition(PLACEHOLDER)
    pyproject.write_text(before + pin + after, encoding="utf-8", newline="\n")
    record = json.loads(cruft.read_text(encoding="utf-8"))
    record |= {"template": used["_template"], "commit": used.pop("commit") or None}
    record["context"]["cookiecutter"] |= used
    cruft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8", newline="\n")
    return before.count("\n") + 1


def ask(az: str, values: list[str]) -> str:
    """What Azure says of the workspace, through the az command, within 5 seconds."""
    command = [az, "rest", "--url", IN_AZURE.format(*values), *TO_ASK]
    with tempfile.TemporaryFile() as file:  # a pipe would wait for the children of az, too
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=5)
        except subprocess.TimeoutExpired:
            return "not confirmed: no answer within 5 s: aml workspace tries again"
        file.seek(0)
        said = file.read().decode(errors="replace").strip()
    if found := re.fullmatch(r"(\w+)\s+/subscriptions/\S+/(\w+)", said):
        return f"confirmed: in {found[1]}, storage {found[2]}"
    if "az login" in said:
        return "not confirmed: not signed in to Azure: run `az login`, then aml workspace"
    why = "".join(re.findall(r'"message": ?"([^"]+)', said)[:1]) or said[:200]
    return "not confirmed: " + "not found, or not yours: " * ("NotFound" in said) + why


def report(root: Path, values: list[str]) -> bool:
    """Print what is known of each workspace setting; returns whether Azure has confirmed them."""
    above = (folder / ".azureml" / "config.json" for folder in (root, *root.parents))
    shadow = next(
        (f"not {CLIENT} reads {file}; aml workspace says what counts" for file in above if file.is_file()), ""
    )
    states = ["confirmed: in form only, not looked up in Azure"] * 3
    if not values[0].strip("0-"):
        states[0], more = "not set", ATTACH
    elif az := shutil.which("az"):
        states[2], more = ask(az, values), ""
        states[:2] = ["confirmed"] * 2 if states[2].startswith("confirmed") else states[:2]
    else:
        more = "\nTo look them up in Azure, once it is installed: aml workspace"
    print(f"Workspace settings, aml_config/config.json\n  {shadow or 'confirmed: readable'}", end="")
    for name, value, state in zip(SETTINGS, values, states, strict=True):
        print(f"\n  {name:<15}  {value:<{max(map(len, values))}}  {state}", end="")
    print(more)
    return states[0] == "confirmed" and not shadow


def main(root: Path, answers: dict[str, str]) -> int:
    """Complete the repository in `root`; returns the exit status."""
    out = Path(answers.get("_output_dir", root.anchor))
    bases = [out] if "_commit" in answers else [Path(os.environ.get("PWD", out)), out, *out.parents]
    template, commit = origin(answers, bases)
    pin, package = source(template, commit, bases), answers["package"]  # the former refuses a password in any case
    if package != "template":
        pin = package = source(package, "", bases)
    line = write(root, pin, _template=template, commit=commit, package=package)
    if "_commit" in answers and root.parent.parent == Path(tempfile.gettempdir()).resolve():
        return 0  # one of two that cruft makes to compare them
    if not report(root, [answers[name] for name in SETTINGS]) and os.environ.get("AML_CONFIRM") == "strict":
        sys.exit("AML_CONFIRM=strict: the workspace is not confirmed, so nothing is generated")
    if "file:" in pin:
        print(f"\n{pin}: a folder of this machine. Before you share the repository, name an address\n"
              f"instead in pyproject.toml, line {line}, and as the template in .cruft.json.")  # fmt: skip
    print("\n  ".join([f"\nNext, in {root}:", *STEPS, f"aml register-model -n {answers['__model']}"]))
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a legacy Windows console lacks some letters
    sys.exit(main(Path.cwd(), json.loads(r"""{{ cookiecutter | jsonify }}""")))
