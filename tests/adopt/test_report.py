"""report.py: a screen that says what matters, and a document that has all of it."""

from pathlib import Path

from adopt.sources import plant
from adopt.test_jobs import made
from aml.adopt import Note, report
from aml.adopt.discover import source

NOTES = [
    Note("taken", "", "entry train.py: its name", "entry", "train.py: its name"),
    *(Note("taken", "", f"data {name}", "data-file", name) for name in "abcdefgh"),
    *(Note("changed", f"train.py:{line}", "a.pkl -> outputs/a.pkl", "result") for line in range(1, 4)),
    Note("changed", "env.yml:2", "pandas added", "package"),
    Note("changed", "", "of a part that nobody knows"),
    Note("changed", "", "src/launch.py runs the code as it is", "launcher", "runs through src/launch.py, as it is"),
    *(Note("decide", f"train.py:{line}", f"do this {line}") for line in range(1, 40)),
    Note("taken", "app.py", "stays behind", "stays-behind", "app.py"),
    Note("taken", "Makefile:4", "runs get.py before train.py, which stays behind", "stays-behind", "get.py"),
]


def test_the_screen() -> None:
    said = report.screen(NOTES, "outputs/a.pkl")
    assert said[:5] == [
        "trains       train.py: its name",
        "reads        a, b, c, d, e, f and 2 more",
        "leaves       outputs/a.pkl",
        "changed      runs through src/launch.py, as it is; results below outputs/ (3), packages (1), others (1), "
        "in 2 files",
        "stays behind app.py, get.py (Makefile:4)",
    ]
    assert len(said) <= 24 and said[-1].startswith("  and ")
    whole = report.screen(NOTES, None, everything=True)
    assert "  train.py:39: do this 39" in whole and "  train.py:1, 2, 3: a.pkl -> outputs/a.pkl" in whole


def test_the_document_has_every_change_with_its_line_folded() -> None:
    text = report.document("risk", NOTES, "outputs/a.pkl", "risk")
    shown, folded = text.split("<details>", 1)
    assert all(f"- train.py:{line}: do this {line}" in shown for line in range(1, 40))
    assert "a.pkl -> outputs" not in shown and "- train.py:1, 2, 3: a.pkl -> outputs/a.pkl" in folded
    assert text.count("<details>") == text.count("</details>") == 2


def test_what_serves_and_deploys_stays_behind(tmp_path: Path) -> None:
    files = ("app.py", "Dockerfile", "src/score.py", ".github/workflows/ci.yml", "utils.py")
    text = "import utils\nfrom sklearn.svm import SVC\nm = SVC().fit([[1]], [1])\n"
    plant(tmp_path, {"train.py": text, **dict.fromkeys(files, "")})
    found = source.read(tmp_path, None)
    assert {note.subject for note in found.notes if note.code == "stays-behind"} == {*files} - {"utils.py"}


def test_what_changed_has_a_kind(tmp_path: Path) -> None:
    text = "import joblib\nimport pandas as pd\nfrom azureml.core import Run\nfrom sklearn.externals import joblib\n"
    text += "from sklearn.svm import SVC\nt = pd.read_csv('data/d.csv')\nm = SVC().fit(t[['a']], t['b'])\n"
    text += "Run.get_context().log('a', 1)\njoblib.dump(m, 'm.pkl')\n"
    plant(tmp_path, {"train.py": text, "data/d.csv": "a,b\n"})
    written, _, _ = made(tmp_path, read="data/d.csv", left="m.pkl")
    kinds = {note.code for note in written.notes if note.kind == "changed"}
    assert kinds == {"v1", "old-name", "data", "result"} and kinds <= {*report.KINDS}
