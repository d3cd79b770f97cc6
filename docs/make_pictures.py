"""Make the pictures of README.md and docs/ from a real first run, so that they show what a user sees today.

    .venv/bin/python docs/make_pictures.py        # .venv is what `python dev.py test` makes

It clones this repository as it is committed, runs `python dev.py demo` in the clone and `aml serve --test` in what that
makes, writes the terminal as docs/pictures/first-run.svg and serve-test.svg and the jobs of its workflow as ci.svg, and
lets a headless Chromium (on Debian: apt-get install chromium) take docs/pictures/mlflow-run.png and mlflow-runs.png
from `aml ui`. It takes about three minutes.
"""

import html
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

TEMPLATE = Path(__file__).resolve().parent.parent
PICTURES = TEMPLATE / "docs" / "pictures"
ASSISTANT = 362  # pixels of MLflow's chat panel at the right, which is cut off


def main() -> None:
    """Write all pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        clone = Path(folder) / "aml-template"
        subprocess.run(["git", "clone", "--quiet", TEMPLATE, clone], check=True)
        output = printed([sys.executable, "dev.py", "demo"], clone)
        output = output[output.index("$ cd ") :].partition("\nThere is now")[0]
        draw_terminal(output, "python dev.py demo", PICTURES / "first-run.svg")
        made = clone / "demo" / "demo-model"
        draw_serving(made)
        draw_workflow(made / ".github" / "workflows" / "model.yml")
        (record,) = (path.parent for path in (made / "mlruns").glob("*/*/meta.yaml") if path.parent.name[0] == "2")
        with user_interface(made) as address:
            experiment = f"{address.partition('/#')[0]}/#/experiments/{record.parent.name}/runs"
            mode = "workflowType=machine_learning"
            page = f"{experiment}/{record.name}/artifacts/confusion_matrix.png?{mode}"
            take(page, PICTURES / "mlflow-run.png", 1400, 720)
            take(address, PICTURES / "mlflow-runs.png", 1400, 520)


def printed(command: list[str], folder: Path) -> str:
    """What a command prints, errors among it; ends this program with that when the command fails."""
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False
    )
    if done.returncode:
        sys.exit(done.stdout)
    return done.stdout


def draw_serving(made: Path) -> None:
    """Write what `aml serve --test` prints in a repository once its environment is built."""
    aml = str(made / ".venv" / ("Scripts/aml.exe" if os.name == "nt" else "bin/aml"))
    printed([aml, "serve", "--test"], made)
    output = printed([aml, "serve", "--test"], made)
    draw_terminal(f"$ aml serve --test\n{output}", "aml serve --test", PICTURES / "serve-test.svg")


def draw_workflow(file: Path) -> None:
    """Write the jobs of a workflow of GitHub as boxes with their commands."""
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    boxes = {
        "pull-request": ("a pull request", "no secret, no account"),
        "train": ("a merge to main", "environment development"),
        "promote": ("an approval", "environment production"),
    }
    commands = {
        name: [step["run"] for step in jobs[name]["steps"] if "run" in step and "if" not in step] for name in boxes
    }
    width, height, gap = 420, 60 + 24 * max(map(len, commands.values())), 36
    parts = []
    for column, (name, (title, subtitle)) in enumerate(boxes.items()):
        left = column * (width + gap)
        parts.append(f'<rect x="{left + 1}" y="1" width="{width - 2}" height="{height}" rx="10" class="box"/>')
        parts.append(f'<text x="{left + 18}" y="30" class="title">{title}</text>')
        parts.append(f'<text x="{left + width - 18}" y="30" class="note" text-anchor="end">{subtitle}</text>')
        for row, command in enumerate(commands[name]):
            shown = html.escape(command)
            parts.append(f'<text x="{left + 18}" y="{60 + 24 * row}" class="command">{shown}</text>')
        if column:
            y = height / 2
            parts.append(f'<path d="M{left - gap + 6} {y} h{gap - 16} m-8 -6 l8 6 l-8 6" class="arrow"/>')
    style = (
        ".box{fill:#f6f8fa;stroke:#8c959f} .title{font:bold 16px sans-serif;fill:#1f2328} "
        ".note{font:13px sans-serif;fill:#59636e} .command{font:13px monospace;fill:#0550ae} "
        ".arrow{fill:none;stroke:#59636e;stroke-width:2}"
    )
    size = f'viewBox="0 0 {3 * width + 2 * gap} {height + 2}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{style}</style>", *parts, "</svg>", ""]
    (PICTURES / "ci.svg").write_text("\n".join(lines), encoding="utf-8", newline="\n")


def draw_terminal(output: str, title: str, target: Path) -> None:
    """Write what commands printed as SVG."""
    shown = [line for line in output.rstrip().splitlines() if "Python 3." not in line]  # which Pythons this machine has
    console = Console(record=True, width=max(map(len, shown)) + 1, file=io.StringIO())
    for line in shown:
        console.print(Text(line, style="bold green" if line.startswith("$ ") else ""), soft_wrap=True)
    svg = console.export_svg(title=title, theme=MONOKAI, unique_id=target.stem)
    target.write_text(svg, encoding="utf-8", newline="\n")


@contextmanager
def user_interface(made: Path) -> Iterator[str]:
    """Run `aml ui` on a free port; gives the address that it says."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    aml = made / ".venv" / ("Scripts/aml.exe" if os.name == "nt" else "bin/aml")
    command = [str(aml), "ui", "--no-browser", "-p", str(port)]
    with subprocess.Popen(command, cwd=made, stdout=subprocess.PIPE, encoding="utf-8") as server:
        try:
            assert server.stdout  # noqa: S101  # narrows the type: it is a pipe
            for line in server.stdout:
                if found := re.search(rf"http://127\.0\.0\.1:{port}\S*", line):
                    yield found[0]
                    break
        finally:
            server.terminate()


def take(page: str, target: Path, width: int, height: int) -> None:
    """Let Chromium take a picture of a page, and keep it small."""
    chromium = next((found for name in ("chromium", "google-chrome", "chrome") if (found := shutil.which(name))), None)
    if not chromium:
        sys.exit("no Chromium is on PATH; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "page.png"
        options = [
            "--headless=new",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-gpu",
            f"--user-data-dir={folder}",
        ]
        options += [f"--window-size={width},{height}", "--virtual-time-budget=20000", f"--screenshot={file}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium's sandbox does not start for root
        subprocess.run([chromium, *options, page], check=True, timeout=120, stderr=subprocess.DEVNULL)
        picture = Image.open(file).convert("RGB").crop((0, 0, width - ASSISTANT, height))
        picture.quantize(colors=128).save(target, optimize=True)


if __name__ == "__main__":
    main()
