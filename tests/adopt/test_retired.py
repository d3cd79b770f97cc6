"""packages/retired: what packages have removed is written in today's words, or named; the packages themselves are the judge."""
# ruff: noqa: E501  # a case a line reads best

import ast
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uv import find_uv_bin

from aml.adopt.packages.retired import Rewritten, rewrite, tables, versions_of
from support import ENVIRONMENT

# The oldest releases for Python 3.11, and those of the end of 2026.
OLD = {"python": "3.11", "scikit-learn": "1.1.3", "numpy": "1.23.2", "pandas": "1.5.0", "scipy": "1.9.2", "matplotlib": "3.6.0", "seaborn": "0.12.0", "imbalanced-learn": "0.9.1"}  # fmt: skip
NEW = {"python": "3.12", "scikit-learn": "1.9.1", "numpy": "2.4.6", "pandas": "3.1.1", "scipy": "1.17.1", "matplotlib": "3.11.2", "seaborn": "0.13.2", "imbalanced-learn": "0.14.2", "xgboost": "3.2.0", "lightgbm": "4.7.0"}  # fmt: skip


def rewritten(text: str, versions: dict[str, str] | None = None) -> Rewritten:
    """What rewrite gives; the result parses, and rewriting it again changes nothing."""
    done = rewrite(text, "train.py", versions)
    ast.parse(done.text)
    assert rewrite(done.text, "train.py", versions).text == done.text
    assert (done.text != text) == any(note.kind == "changed" for note in done.notes)
    return done


# What is always rewritten: before, after
CHANGED = [
    ("from sklearn.externals import joblib\n", "import joblib\n"),
    ("from sklearn.externals import joblib as jl  # old\n", "import joblib as jl  # old\n"),
    ("from sklearn.externals import joblib, six  # old\n", "import joblib\nimport six  # old\n"),
    ("import sklearn.externals.joblib as jl\n", "import joblib as jl\n"),
    ("if x: from sklearn.externals import joblib; y = 1\n", "if x: import joblib; y = 1\n"),
    ("try:\n    from sklearn.externals import joblib\nexcept ImportError:\n    import joblib\n", "try:\n    import joblib\nexcept ImportError:\n    import joblib\n"),
    ("from sklearn.externals.six import StringIO\n", "from io import StringIO\n"),
    ("from sklearn.externals.six.moves import zip\n", "from six.moves import zip\n"),
    ("from sklearn.cross_validation import train_test_split as t\n", "from sklearn.model_selection import train_test_split as t\n"),
    ("from sklearn.grid_search import *\n", "from sklearn.model_selection import *\n"),
    ("from sklearn import cross_validation\ncross_validation.train_test_split(x)\n", "from sklearn import model_selection\nmodel_selection.train_test_split(x)\n"),
    ("import sklearn.grid_search\nsklearn.grid_search.GridSearchCV(m, g)\n", "import sklearn.model_selection\nsklearn.model_selection.GridSearchCV(m, g)\n"),
    ("from sklearn.ensemble.forest import (\n    RandomForestClassifier,  # a\n    ExtraTreesClassifier as E,\n)\n", "from sklearn.ensemble import (\n    RandomForestClassifier,  # a\n    ExtraTreesClassifier as E,\n)\n"),
    ("import sklearn.tree.tree\nsklearn.tree.tree.DecisionTreeClassifier()\n", "import sklearn.tree\nsklearn.tree.DecisionTreeClassifier()\n"),
    ("from sklearn.datasets.base import load_iris, Bunch\n", "from sklearn.datasets import load_iris\nfrom sklearn.utils import Bunch\n"),
    ("from sklearn.metrics import accuracy_score, plot_confusion_matrix\nplot_confusion_matrix(m, x, y)\n", "from sklearn.metrics import accuracy_score, ConfusionMatrixDisplay\nConfusionMatrixDisplay.from_estimator(m, x, y)\n"),
    ("from sklearn.metrics import ConfusionMatrixDisplay, plot_confusion_matrix as p\np(m, x, y)\n", "from sklearn.metrics import ConfusionMatrixDisplay\nConfusionMatrixDisplay.from_estimator(m, x, y)\n"),
    ("from sklearn import metrics\nmetrics.plot_roc_curve(m, x, y)\n", "from sklearn import metrics\nmetrics.RocCurveDisplay.from_estimator(m, x, y)\n"),
    ("from sklearn.cross_validation import cross_val_score\ncross_val_score(m, x, y, 'f1', 5)\n", "from sklearn.model_selection import cross_val_score\ncross_val_score(m, x, y, scoring='f1', cv=5)\n"),
    ("from time import clock, time\nt = clock()\n", "from time import perf_counter, time\nt = perf_counter()\n"),
    ("from time import clock\nperf_counter = 1\nt = clock()\n", "from time import perf_counter as clock\nperf_counter = 1\nt = clock()\n"),
    ("import time\nt = time.clock()\n", "import time\nt = time.perf_counter()\n"),
    ("from collections import Mapping, OrderedDict\n", "from collections.abc import Mapping\nfrom collections import OrderedDict\n"),
    ("import collections\nx = collections.Mapping\n", "import collections\nimport collections.abc\nx = collections.abc.Mapping\n"),
    ("import numpy as np\nx = np.zeros(3, np.float), np.NaN, -np.Inf\n", "import numpy as np\nx = np.zeros(3, float), np.nan, -np.inf\n"),
    ("from numpy import float, zeros\nx = zeros(3, float)\n", "from numpy import zeros\nx = zeros(3, float)\n"),
    ("from pandas.io.json import json_normalize\n", "from pandas import json_normalize\n"),
    ("import numpy as np\nimport pandas as pd\nx = pd.np.nan, pd.io.json.json_normalize(y)\n", "import numpy as np\nimport pandas as pd\nx = np.nan, pd.json_normalize(y)\n"),
    ("import pandas as pd\nd = pd.read_csv(p)\nd = d.drop('a', 1)\nx = d[['b']].as_matrix()\nfor k, v in d.iteritems(): pass\n", "import pandas as pd\nd = pd.read_csv(p)\nd = d.drop('a', axis=1)\nx = d[['b']].to_numpy()\nfor k, v in d.items(): pass\n"),
    ("import pandas as pd\nd = pd.read_csv(p, ';', error_bad_lines=False)\nd = pd.concat([d, d], 1).fillna(method='pad')\n", "import pandas as pd\nd = pd.read_csv(p, sep=';', on_bad_lines=\"warn\")\nd = pd.concat([d, d], axis=1).ffill()\n"),
    ("from sklearn.ensemble import RandomForestClassifier as R\nm = R(10, max_features='auto')\n", "from sklearn.ensemble import RandomForestClassifier as R\nm = R(10, max_features='sqrt')\n"),
    ("from sklearn.ensemble.forest import RandomForestRegressor\nm = RandomForestRegressor(max_features='auto')\n", "from sklearn.ensemble import RandomForestRegressor\nm = RandomForestRegressor(max_features=1.0)\n"),
    ("from sklearn.ensemble import RandomForestClassifier\nfrom sklearn.model_selection import GridSearchCV\nm = RandomForestClassifier()\ng = {'max_features': ['auto', 2]}\ns = GridSearchCV(m, g, 'f1', iid=False)\n", "from sklearn.ensemble import RandomForestClassifier\nfrom sklearn.model_selection import GridSearchCV\nm = RandomForestClassifier()\ng = {'max_features': ['sqrt', 2]}\ns = GridSearchCV(m, g, scoring='f1')\n"),
    ("from sklearn.tree import DecisionTreeRegressor\nfrom sklearn.model_selection import GridSearchCV\ns = GridSearchCV(DecisionTreeRegressor(), [{'criterion': ['mse', 'mae']}])\n", "from sklearn.tree import DecisionTreeRegressor\nfrom sklearn.model_selection import GridSearchCV\ns = GridSearchCV(DecisionTreeRegressor(), [{'criterion': ['squared_error', 'absolute_error']}])\n"),
    ("import keras\nm.fit_generator(g, epochs=2)\n", "import keras\nm.fit(g, epochs=2)\n"),
    ("from sklearn.feature_extraction.text import CountVectorizer\nv = CountVectorizer()\nn = v.get_feature_names()\n", "from sklearn.feature_extraction.text import CountVectorizer\nv = CountVectorizer()\nn = list(v.get_feature_names_out())\n"),
    ("import matplotlib\nmatplotlib.use('TkAgg')\n", "import matplotlib\nmatplotlib.use('Agg')\n"),
    ("import matplotlib.pyplot as plt\nplt.style.use('seaborn-whitegrid')\nplt.hist(x, normed=True)\nax.hist(x, normed=1)\n", "import matplotlib.pyplot as plt\nplt.style.use('seaborn-v0_8-whitegrid')\nplt.hist(x, density=True)\nax.hist(x, density=1)\n"),
    ("import seaborn as sns\nsns.countplot(d['a'])\nsns.countplot('a', data=d)\nsns.boxplot(a, b)\nsns.lmplot('a', 'b', d, size=4)\n", "import seaborn as sns\nsns.countplot(x=d['a'])\nsns.countplot(x='a', data=d)\nsns.boxplot(x=a, y=b)\nsns.lmplot(x='a', y='b', data=d, size=4)\n"),
    ("from imblearn.over_sampling import SMOTE\ns = SMOTE(ratio='minority')\nx, y = s.fit_sample(x, y)\n", "from imblearn.over_sampling import SMOTE\ns = SMOTE(sampling_strategy='minority')\nx, y = s.fit_resample(x, y)\n"),
    ("import yaml\nc = yaml.load(f)\n", "import yaml\nc = yaml.safe_load(f)\n"),
    ("from scipy import interp\nimport scipy as sp\nx = interp(a, b, c), sp.misc.comb(3, 2)\n", "from numpy import interp\nimport scipy as sp\nimport scipy.special\nx = interp(a, b, c), sp.special.comb(3, 2)\n"),
    ("from keras.layers.core import Dense\nfrom keras.utils import np_utils\nfrom keras.optimizers import Adam\ny = np_utils.to_categorical(y)\na = Adam(lr=0.1)\n", "from keras.layers import Dense\nfrom keras import utils\nfrom keras.optimizers import Adam\ny = utils.to_categorical(y)\na = Adam(learning_rate=0.1)\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CHANGED)
def test_what_is_the_same_under_another_name(before: str, after: str) -> None:
    assert rewritten(before).text == after
    assert rewritten(before.replace("\n", "\r\n")).text == after.replace("\n", "\r\n")


# What depends on the versions: before, after with those of today
LATER = [
    ("from sklearn.preprocessing import OneHotEncoder\ne = OneHotEncoder(sparse=False)\n", "from sklearn.preprocessing import OneHotEncoder\ne = OneHotEncoder(sparse_output=False)\n"),
    ("from sklearn.linear_model import LogisticRegression\nm = LogisticRegression(\n    C=1,\n    multi_class='auto',\n)\n", "from sklearn.linear_model import LogisticRegression\nm = LogisticRegression(\n    C=1,\n)\n"),
    ("from sklearn.ensemble import AdaBoostClassifier\nm = AdaBoostClassifier(base_estimator=t)\n", "from sklearn.ensemble import AdaBoostClassifier\nm = AdaBoostClassifier(estimator=t)\n"),
    ("import pandas as pd\nd = pd.read_csv(p)\nc = d.corr()\n", "import pandas as pd\nd = pd.read_csv(p)\nc = d.corr(numeric_only=True)\n"),
    ("import pandas as pd\nd['a'].fillna(0, inplace=True)\n", "import pandas as pd\nd['a'] = d['a'].fillna(0)\n"),
    ("import pandas as pd\nd = pd.read_csv(p)\nd.a.replace('x', 'y', inplace=True)  # why\n", "import pandas as pd\nd = pd.read_csv(p)\nd[\"a\"] = d.a.replace('x', 'y')  # why\n"),
    ("import seaborn as sns\nsns.pairplot(d, size=2)\n", "import seaborn as sns\nsns.pairplot(d, height=2)\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), LATER)
def test_what_later_versions_lack(before: str, after: str) -> None:
    assert rewritten(before).text == before
    older = {**OLD, "seaborn": "0.8.1"}
    assert rewritten(before, older) == Rewritten(before)
    assert rewritten(before, NEW).text == after


# What is for the owner: code, its line, words of the note, and whether the oldest versions lack it, too
DECIDE = [
    ("from sklearn.preprocessing import Imputer\n", 1, "SimpleImputer", True),
    ("from sklearn.datasets import load_boston, load_iris\n", 1, "fetch_california_housing", False),
    ("from sklearn.ensemble.forest import BaseForest\n", 1, "sklearn.ensemble._forest", True),
    ("from sklearn.model_selection import GridSearchCV\nGridSearchCV(m, g, iid=True)\n", 2, "drop iid=", True),
    ("from sklearn.cross_validation import KFold\nKFold(n, n_folds=3)\n", 2, "n_splits=", True),
    ("from sklearn import cross_validation\ncross_validation.KFold(9, shuffle=True)\n", 2, "takes n_splits", True),
    ("from sklearn.linear_model import LogisticRegression\nLogisticRegression(multi_class='ovr')\n", 2, "OneVsRestClassifier", False),
    ("from sklearn.linear_model import Ridge\nRidge(normalize=True)\n", 2, "StandardScaler", False),
    ("import sklearn\nnames = v.get_feature_names()\n", 2, "get_feature_names_out", False),
    ("from sklearn.model_selection import GridSearchCV\nGridSearchCV(m, {'max_features': ['auto']})\n", 2, '"sqrt"', False),
    ("import pandas as pd\nd = pd.DataFrame()\nd = d.append(e)\n", 3, "pd.concat", False),
    ("import pandas as pd\nd = pd.read_csv(p)\nd['a'].append(d['b'])\n", 3, "pd.concat", False),
    ("import pandas as pd\nd = pd.read_csv(p).dropna()\nd.ix[0, 'a']\n", 3, ".iloc", True),
    ("import numpy as np\nnp.in1d(a, b)\n", 2, "np.isin", False),
    ("from scipy.misc import imread, imresize\n", 1, "imageio", True),
    ("import seaborn as sns\nsns.factorplot('a', data=d)\n", 2, "catplot", True),
    ("import xgboost as xgb\nm = xgb.XGBClassifier()\nm.fit(x, y, early_stopping_rounds=5)\n", 3, "constructor", False),
    ("import lightgbm as lgb\nlgb.train(p, d, early_stopping_rounds=5)\n", 2, "callbacks", False),
    ("import tensorflow as tf\nx = tf.placeholder(tf.float32)\n", 2, "tf.compat.v1", True),
    ("from inspect import getargspec\n", 1, "getfullargspec", True),
    ("import imp\n", 1, "importlib", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "words", "always"), DECIDE)
def test_what_the_owner_decides(text: str, line: int, words: str, always: bool) -> None:
    for versions, there in ((NEW, True), (OLD, always)):
        notes = [note for note in rewritten(text, versions).notes if note.kind == "decide"]
        assert any(words in note.text and note.where == f"train.py:{line}" for note in notes) == there


# What looks like it, and is not: nothing is said of it
NOT_MEANT = [
    "import mine as np\nx = np.float\n",
    "import numpy as np\nx = np.float64(3)\n",
    "import pandas as pd\nrows = []\nrows.append(pd.read_csv(p))\n",
    "import pandas as pd\nd = pd.read_csv(p)\nnames = list(d)\nnames.append('x')\n",
    "import pandas as pd\nx.ix[0]\ny.as_matrix()\nz.drop('a', 1)\n",
    "import time\nclock = 1\nx.clock()\n",
    "from mine import clock\nclock()\n",
    "import seaborn as sns\nsns.boxplot(d)\nsns.boxplot(d, x='a')\nsns.heatmap(a, b)\n",
    "import yaml\nyaml.load(f, Loader=yaml.FullLoader)\nyaml.load(f, yaml.SafeLoader)\n",
    "import json\njson.load(f)\n",
    "import mine as pl\nd['a'].fillna(0, inplace=True)\nd.a.as_matrix()\n",
    "import matplotlib\nmatplotlib.use('Agg')\nmatplotlib.use('pdf')\n",
    "import matplotlib.pyplot as plt\nplt.style.use('ggplot')\nplt.style.use('seaborn-v0_8-dark')\n",
    "from sklearn.metrics import f1_score\nf1_score(a, b, average='macro')\n",
    "from mine import RandomForestClassifier\nRandomForestClassifier(max_features='auto')\n",
    "import imblearn\nclass S:\n    def fit_sample(self): ...\nS().fit_sample()\n",
    "import pandas as pd\nd = pd.read_csv(p)\nd.corr(method='spearman')\nd[['a', 'b']].fillna(0, inplace=True)\n",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_MEANT)
def test_what_is_not_meant_stays(text: str) -> None:
    for versions in (None, OLD, NEW):
        assert rewritten(text, versions) == Rewritten(text)


def test_code_that_does_not_parse_stays() -> None:
    for text in ("print 'a'\n", "x = 1\0", "", "import numpy\nx = numpy" + ".float" * 2000):
        assert rewrite(text, "train.py", NEW) == Rewritten(text)


def test_lines_are_those_of_the_original() -> None:
    original = "a\nb\nimport time\nx = time.clock()\n"
    [note] = rewrite("import time\nx = time.clock()\n", "train.py", None, original).notes
    assert note.where == "train.py:4"


def test_versions_are_those_that_are_exact() -> None:
    lines = ["scikit-learn==1.1.3", "NumPy==2.0", "pandas>=2", "x @ https://example.org/x.whl"]
    assert versions_of(lines, "3.11") == {"python": "3.11", "scikit-learn": "1.1.3", "numpy": "2.0"}


PARTS = st.sampled_from([line for before, _ in [*CHANGED, *LATER] for line in [before]] + [text for text, *_ in DECIDE])


@settings(max_examples=100, deadline=None)
@given(st.lists(PARTS, max_size=4), st.sampled_from([None, OLD, NEW]), st.booleans())
def test_rewriting_twice_is_rewriting_once(parts: list[str], versions: dict[str, str] | None, mark: bool) -> None:
    text = ("\ufeff" if mark else "") + "".join(parts)
    done = rewrite(text, "train.py", versions)
    ast.parse(done.text.removeprefix("\ufeff"))
    assert rewrite(done.text, "train.py", versions).text == done.text
    assert all(1 <= int(note.where.rpartition(":")[2]) <= text.count("\n") for note in done.notes)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*NOT_MEANT, "", "# np.float\n", "s = '''np.float'''\n", "if x:\n\ty = (1,\n  2)\n"]), max_size=5), st.sampled_from(["\n", "\r\n"]))  # fmt: skip
def test_code_of_today_comes_back_byte_for_byte(parts: list[str], newline: str) -> None:
    text = "".join(part for part in parts if "mine" not in part and "clock" not in part).replace("\n", newline)
    assert rewrite(text, "train.py", NEW) == Rewritten(text)


# The packages themselves

LOOK = """
import importlib, inspect, json, sys, warnings
warnings.simplefilter("ignore")

def find(full):
    words = full.split(".")
    for at in range(len(words), 0, -1):
        try:
            found = importlib.import_module(".".join(words[:at]))
            break
        except Exception:
            continue
    else:
        raise AttributeError(full)
    for word in words[at:]:
        found = getattr(found, word)
    return found

def has(full):
    try:
        find(full)
        return True
    except Exception:
        return False

def takes(full, name):
    try:
        parameters = inspect.signature(find(full)).parameters
    except Exception:
        return None
    return name in parameters

asked = json.load(sys.stdin)
print(json.dumps({"has": {one: has(one) for one in asked["names"]},
                  "takes": [[*pair, takes(*pair)] for pair in asked["takes"]]}))
"""


def looked(folder: Path, versions: dict[str, str], names: list[str], pairs: list[tuple[str, str]]) -> dict:  # type: ignore[type-arg]
    """Which names an environment with these packages has, and which parameters."""
    python = folder / "bin" / "python"
    lines = [f"{name}=={version}" for name, version in versions.items() if name != "python"]
    variables = {**ENVIRONMENT, "KERAS_BACKEND": "jax", "MPLBACKEND": "Agg"}
    for command in (["venv", "-q", "-p", "3.11", str(folder)], ["pip", "install", "-q", "--python", str(python), "--only-binary", ":all:", *lines]):  # fmt: skip
        subprocess.run([find_uv_bin(), *command], check=True, env=variables)
    asked = json.dumps({"names": names, "takes": pairs})
    done = subprocess.run([python, "-c", LOOK], input=asked, env=variables, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.slow
def test_the_table_agrees_with_the_packages(tmp_path: Path) -> None:
    """The new names and parameters are there in the oldest and the newest releases, and of the old ones none is left."""
    renamed = {old: row.new for old, row in tables.RENAMED.items() if "." in row.new}
    renamed |= tables.PUBLIC
    roots = ("sklearn", "numpy", "pandas", "scipy", "matplotlib", "seaborn", "imblearn")
    renamed = {old: new for old, new in renamed.items() if old.startswith(roots) and new.startswith(roots)}
    pairs = [
        (function, row.new.partition("=")[0])
        for function, rows in tables.ARGUMENTS.items()
        for row in rows
        if function.startswith(roots) and "=" in row.new
        and not function.startswith(("matplotlib", "seaborn.jointplot"))  # which hand them on, as **kwargs
    ]  # fmt: skip
    pairs += [
        (function, name)
        for function, rows in tables.POSITIONAL.items()
        for row in rows
        for name in row.order
        if function.startswith(roots) and tables.today(function)[0] == function
    ]
    new = looked(tmp_path / "new", {k: v for k, v in NEW.items() if k not in ("xgboost", "lightgbm")}, [*renamed, *renamed.values()], pairs)  # fmt: skip
    old = looked(tmp_path / "old", OLD, [*renamed.values()], pairs)
    assert [name for name in renamed.values() if not (old["has"][name] and new["has"][name])] == []
    assert [name for name in renamed if new["has"].get(name)] == []
    assert [pair for pair in new["takes"] if not pair[2]] == []
    gone = [
        (function, row.keyword)
        for function, rows in tables.ARGUMENTS.items()
        for row in rows
        if function.startswith(("sklearn", "pandas", "imblearn")) and (row.new.endswith("=") or (not row.old and not row.needs))
    ]  # fmt: skip
    assert [pair for pair in looked(tmp_path / "again", {k: v for k, v in NEW.items() if k not in ("xgboost", "lightgbm")}, [], gone)["takes"] if pair[2]] == []  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\ndef f(float):\n    return np.float(3)\n", "import numpy as np\nbool = 1\ny = np.bool(2)\n",
        "from numpy import int\nint = 5\n", "import numpy as np\nfrom x import object\nnp.object\n",
    ],
)  # fmt: skip
def test_a_built_in_name_that_means_something_else_is_left(text: str) -> None:
    done = rewrite(text, "train.py")
    assert done.text == text
    assert [note.kind for note in done.notes] == ["decide"]
