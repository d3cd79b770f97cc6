"""Which packages provide what code imports."""

import sys
from pathlib import Path

from packaging.utils import canonicalize_name

from aml.jobfile.imports import PACKAGE_OF

# Packages that are what their import says; another import's package is guessed by name, which the owner should see.
SAME_NAME = set(
    "adlfs altair arch bokeh boto3 catboost click cvxpy dask datasets diffusers evaluate fastai fastparquet "
    "featuretools fire flask fsspec gensim gym gymnasium h5py hdbscan holidays hyperopt imageio jax joblib keras "
    "librosa lifelines lightgbm lightning lime loguru lxml matplotlib mltable networkx nltk numba numpy onnx "
    "onnxruntime openpyxl optuna pandas patsy peft plotly pmdarima polars prophet psutil pyarrow pydantic pymongo "
    "pyodbc pyspark pytest ray regex requests rich s3fs scipy seaborn sentencepiece shap simpletransformers six sktime "
    "spacy sqlalchemy statsmodels sympy tabulate tensorboard tensorflow tensorflow-hub tokenizers torch torchaudio "
    "torchmetrics torchtext torchvision tqdm transformers tsfresh typer wandb xgboost xlrd xlsxwriter".split()
)
# pandas and others load these by name, so no import shows the need for them.
LOADED_BY_NAME = set(
    "openpyxl xlrd xlsxwriter pyarrow fastparquet tables h5py lxml html5lib tabulate s3fs adlfs gcsfs psycopg2 "
    "numpy psycopg2-binary pymysql pyodbc sentencepiece accelerate protobuf python-snappy".split()
)
PKG_RESOURCES = "setuptools<82"  # 82 has pkg_resources no more


def candidates(name: str) -> list[str]:
    """The packages that may provide an import, the likeliest first."""
    return known(name) or [canonicalize_name(name.split(".", maxsplit=1)[0])]


def known(name: str) -> list[str]:
    """The packages that provide an import, none of which is guessed."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if found := PACKAGE_OF.get(".".join(parts[:length])):
            return found.split()
    key = canonicalize_name(parts[0])
    return [key] if key in SAME_NAME else []


def is_own(name: str, where: str, root: Path) -> bool:
    """Whether an import is Python's own, the project's, or of the retired SDK."""
    top = name.split(".", maxsplit=1)[0]
    if top in sys.stdlib_module_names or (top == "azureml" and not known(name)) or not name:
        return True
    folders = {root, root / "src", (root / where.split(":", maxsplit=1)[0]).parent}
    return any((folder / f"{top}.py").is_file() or (folder / top).is_dir() for folder in folders)
