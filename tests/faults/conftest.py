"""The bench: one for all tests of a process; and the table of what was tried and survived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from standin import StandIn, containers, jobs
from standin.cloud import SUBSCRIPTION

from .bench import Bench
from .verbs import write_repository

#: In the place of the inference server, which takes seconds to start: the matrix is about requests to the service.
QUICK_SERVER = """
import http.server, json, os, sys
sys.path.insert(0, os.getcwd())
import score

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer("Healthy")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(json.dumps(score.run(body)))

    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if self.command == "POST" else "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

score.init()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(scope="session")
def bench(
    service: StandIn, generate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("faults")
    generate(folder, f"subscription_id={SUBSCRIPTION}")
    root = folder / "demo-model"
    write_repository(root)
    bench = Bench(service, root, folder)
    bench.here = root  # a run of this machine for all
    assert bench.run("submit", "-c", "quick-here.yml", "--here").status == 0
    yield bench
    bench.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs and deployments that take no longer than they must."""
    monkeypatch.setattr(jobs, "_BEAT", 0.05)
    monkeypatch.setattr(containers, "_RUN", QUICK_SERVER)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A row for each verb, a column for each kind of fault: how many were tried/survived; and how many ran again."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    cells = [found for report in reports if "survived" in (found := dict(getattr(report, "user_properties", [])))]
    verbs, kinds = (sorted({str(cell[key]) for cell in cells}) for key in ("verb", "kind"))

    def row(title: str, of: list[dict[str, Any]]) -> list[str]:
        parts = [[cell for cell in of if cell["kind"] == kind] for kind in kinds] + [of]
        counts = ["/".join(str(sum(cell[key] for cell in part)) for key in ("tried", "survived")) for part in parts]
        return [title, *counts, str(sum(cell["again"] for cell in of))]

    rows = [["tried/survived", *kinds, "all", "run again"]]
    rows += [row(verb, [cell for cell in cells if cell["verb"] == verb]) for verb in verbs]
    rows += [row("all", cells)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cell_texts in rows if cells else []:
        first, *others = (text.ljust(width) for text, width in zip(cell_texts, widths, strict=True))
        terminalreporter.write_line("  ".join([first, *others]).rstrip())
