"""Writes the source of the aml package, confirms the workspace settings, and prints the next steps."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PLACEHOLDER = "aml-template @ file:///post_gen_project-did-not-run"
# No credentials. A user name is allowed for ssh, and for Azure DevOps, whose paths repeat it.
ADDRESS = r"(git\+)?(https?://(([\w.-]+)@(?=[^/@]+/\4/))?|ssh://([\w.-]+@)?|file://)[\w.:-]*/[\w.~:/@!$&()*+,;=%#-]+"
SETTINGS = {"subscription_id": "subscriptions", "resource_group": "resourceGroups", "workspace_name": "workspaces"}
WORKSPACE = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}?api-version=2024-10-01"  # noqa: E501  # an address
AZ_REST = ["rest", "--only-show-errors", "--output", "tsv", "--query", "[location, properties.storageAccount]", "--url"]
NOT_LOOKED_UP = "well-formed, not looked up in Azure"
LOOK_UP = "Once aml is installed, it looks them up in Azure: aml workspace\n"
ATTACH = "Local runs need none. To set them: aml workspace attach -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE\n"
ACTIVATE = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
STEPS = ["python -m venv .venv", ACTIVATE, "pip install -e .", "aml check", "aml submit -c train-local"]


def find(path: str, bases: list[Path]) -> Path:
    """The absolute path of a file or folder, relative to the first of the bases that has it."""
    if found := next((place for base in bases if (place := base / Path(path).expanduser()).exists()), None):
        return found.resolve()
    sys.exit(f"Nothing was generated: {path!a} is neither an address nor found on this machine. Use an absolute path.")


def origin(answers: dict[str, str], bases: list[Path]) -> list[str]:
    """Where this template came from, a git address or the path of a folder, and the commit that was used."""
    if "_commit" in answers:  # cruft's
        return [answers["_template"], answers["_commit"]]
    local = answers["_repo_dir"] == answers["_template"]
    folder = find(f"{answers['_template']}/cookiecutter.json", bases).parent if local else Path(answers["_repo_dir"])
    git = [shutil.which("git") or sys.executable, f"--git-dir={folder / '.git'}"]  # without git: empty output
    commands = (["config", "remote.origin.url"], ["rev-parse", "--verify", "HEAD"])
    address, commit = (subprocess.run([*git, *words], capture_output=True, text=True).stdout for words in commands)
    return [str(folder) if local else address.strip() or answers["_template"], commit.strip()]


def source(text: str, commit: str, bases: list[Path]) -> str:
    """The requirement that pip takes for one of an index, a path or an address; that of git gets the commit, if any."""
    if re.fullmatch(r"(?i:aml[-_.]template)(\[[\w,.-]+\])? *([<>=!~][\w.*+!, <>=~]*)?", text, re.ASCII):
        return text
    text = re.sub(r"^gh:", "https://github.com/", re.sub(r"^aml-template *@ *", "", text))
    text = re.sub(r"^([\w.-]+@[\w.-]+|[\w.-]{2,}):(?!//)/?(?=[^\\]+$)", r"ssh://\1/", text)  # user@host:path
    plain = not commit and bool(re.search(r"^git\+|^file:(?!.*\.git$)|\.(whl|zip|tar\.gz)(#|$)", text))
    if "://" not in text:
        path = find(text, bases)
        text, plain = path.as_uri(), path.is_file() or (path / "pyproject.toml").is_file()  # else a bare repository
    if re.fullmatch(ADDRESS, text, re.ASCII):
        return f"aml-template @ {text}" if plain else f"aml-template @ git+{text}@{commit}".removesuffix("@")
    sys.exit("Nothing was generated: a bad address, or one with a password, which belongs in git's credential helper")


def look_up(command: list[str]) -> str:
    """The state of the workspace by the answer of Azure to this az command, within 5 seconds."""
    with tempfile.TemporaryFile() as file:  # a pipe would wait for the children of az, too
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=5)
        except subprocess.TimeoutExpired:
            return "not confirmed: no answer within 5 s: run `aml workspace`"
        output = (file.seek(0), file.read().decode(errors="replace").strip())[1]
    if found := re.fullmatch(r"(\w+)\s+/subscriptions/\S+/(\w+)", output):
        return f"confirmed: in {found[1]}, storage {found[2]}"
    if "az login" in output:
        return "not confirmed: not signed in to Azure: run `az login`, then `aml workspace`"
    why = (re.findall(r'"message": ?"([^"]+)', output) or [output[:200]])[0]
    return f"not confirmed: {'not found, or not yours: ' if 'NotFound' in output else ''}{why}"


def report(root: Path, values: list[str]) -> bool:
    """Print what is known of each workspace setting; returns whether Azure has confirmed them."""
    shared = [path for folder in (root, *root.parents) if (path := folder / ".azureml" / "config.json").is_file()][:1]
    file, note, states = "aml_config/config.json", "confirmed: readable", [NOT_LOOKED_UP] * 3
    if shared and not values[0].strip("0-"):  # the models of a codebase may share settings
        file, text = os.path.relpath(shared[0]), shared[0].read_text(encoding="utf-8-sig", errors="replace")
        values = [[*re.findall(r'(?:"{}": *"|/{}/)([^/"]+)'.format(*both), text), ""][0] for both in SETTINGS.items()]
    elif shared:
        note = f"not confirmed: shadowed: MLClient.from_config() without a path reads {shared[0]}"
    if not values[0].strip("0-"):
        states[0] = "not set"
    elif az := shutil.which("az"):
        states = [(answer := look_up([az, *AZ_REST, WORKSPACE.format(*values)])).partition(":")[0]] * 2 + [answer]
    print(f"Workspace settings, {file}\n  {note}")
    for name, value, state in zip(SETTINGS, values, states, strict=True):
        print(f"  {name:<15}  {value:<{max(map(len, values))}}  {state}")
    print(ATTACH if states[0] == "not set" else LOOK_UP if states[2] == NOT_LOOKED_UP else "", end="")
    return states[0] == note[:9] == "confirmed"


def main(root: Path, answers: dict[str, str]) -> None:
    """Complete the repository in `root`. Raises SystemExit, with the reason, where it cannot."""
    for folder in (root / ".github" / "workflows", root / ".github"):
        with contextlib.suppress(OSError):
            folder.rmdir()  # only where it is empty: cookiecutter cannot leave out a folder
    out = Path(answers.get("_output_dir", root.anchor))
    bases = [out] if "_commit" in answers else [Path(os.environ.get("PWD", out)), out, *out.parents]
    template, commit = origin(answers, bases)
    pin, package = source(template, commit, bases), answers["package"]  # source() refuses passwords
    if package != "template":
        pin = package = source(package, "", bases)
    head, _, tail = (root / "pyproject.toml").read_text(encoding="utf-8").partition(PLACEHOLDER)
    (root / "pyproject.toml").write_text(head + pin + tail, encoding="utf-8", newline="\n")
    record = json.loads((root / ".cruft.json").read_text(encoding="utf-8"))
    record |= {"template": template, "commit": commit or None}
    record["context"]["cookiecutter"] |= {"package": package, "_template": template}
    (root / ".cruft.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8", newline="\n")
    if "_commit" in answers and root.parent.parent == Path(tempfile.gettempdir()).resolve():
        return  # a temporary copy of cruft's
    if not report(root, [answers[name] for name in SETTINGS]) and os.environ.get("AML_CONFIRM") == "strict":
        sys.exit("AML_CONFIRM=strict: the workspace is not confirmed, so nothing is generated")
    if "file:" in pin:
        print(f"\n{pin} is on this machine only: before sharing, edit line {len(head.splitlines())} of pyproject.toml.")
    serve = ["aml serve --test"] if answers.get("serving") == "online" else []
    print("\n  ".join([f"\nNext, in {root}:", *STEPS, f"aml register-model -n {answers['__model']}", *serve]))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a legacy Windows console lacks some letters
    main(Path.cwd(), json.loads(r"""{{ cookiecutter | jsonify }}"""))
