"""Make the pictures of README.md and docs/ from a real first run, so that they show what a user sees today.

    .venv/bin/python docs/make_pictures.py        # .venv is what `python dev.py test` makes

It clones this repository as it is committed, runs `python dev.py demo` in the clone and `aml serve --test` in what that
makes, writes the terminal as docs/pictures/first-run.svg and serve-test.svg, and lets a headless Chromium (on Debian:
apt-get install chromium) take docs/pictures/mlflow-run.png and docs/pictures/mlflow-runs.png from `aml ui`. It takes
about three minutes.
"""

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
