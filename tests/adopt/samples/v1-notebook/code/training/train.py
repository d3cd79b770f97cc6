import argparse
import os

import joblib
from azureml.core import Run
from azureml.core.model import Model
from sklearn.ensemble import RandomForestClassifier

from split import halves

parser = argparse.ArgumentParser("train")
parser.add_argument("--trees", type=int, default=5)
parser.add_argument("--model-name", default="credit_forest.pkl")
args = parser.parse_args()
run = Run.get_context()

if run.id.startswith("OfflineRun"):
    import pandas as pd

    df = pd.read_csv("../../data/credit.csv")
else:
    df = run.input_datasets["credit"].to_pandas_dataframe()

train, test = halves(df.fillna(0))
columns = ["age", "amount", "duration"]
model = RandomForestClassifier(args.trees, random_state=3).fit(train[columns], train["risk"])
accuracy = model.score(test[columns], test["risk"])
run.log("accuracy", accuracy)
run.log("trees", len(model.estimators_))
run.parent.log("accuracy of the best", accuracy) if run.parent else None

joblib.dump(model, args.model_name)
Model.register(run.experiment.workspace, model_name="credit_forest", model_path=args.model_name)
run.complete()
