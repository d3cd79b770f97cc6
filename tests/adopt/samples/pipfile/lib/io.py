import os
import pickle

import pandas as pd

DATA_DIR = os.environ.get("DATA_DIR", "../data")


def read(name):
    return pd.read_csv(os.path.join(DATA_DIR, name))


def save(model, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        pickle.dump(model, f)
