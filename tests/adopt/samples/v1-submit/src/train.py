import argparse
import os

import joblib
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from azureml.core import Run
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split

run = Run.get_context()
parser = argparse.ArgumentParser()
parser.add_argument("--input", type=str)
parser.add_argument("--rate", type=float, default=0.1)
args = parser.parse_args()

df = run.input_datasets["credit"].to_pandas_dataframe()
df = df.fillna(0)
X, y = df[["age", "amount", "duration"]], df["risk"]
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=3)

losses = []
model = GradientBoostingClassifier(learning_rate=args.rate, n_estimators=30)
model.fit(X_train, y_train)
for loss in model.train_score_:
    losses.append(float(loss))
run.log_list("loss", losses)
run.log("accuracy", model.score(X_test, y_test), "on the test part")
run.log_row("shape", rows=len(df), columns=df.shape[1])

fig = plt.figure()
plt.imshow(confusion_matrix(y_test, model.predict(X_test)))
run.log_image("confusion", plot=plt)
run.tag("owner", "credit-team")

os.makedirs("outputs", exist_ok=True)
joblib.dump(value=model, filename="outputs/credit.pkl")
run.upload_file("models/credit.pkl", "outputs/credit.pkl")
run.complete()
