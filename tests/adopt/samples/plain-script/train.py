import pandas as pd
import pickle
from sklearn.tree import DecisionTreeClassifier

df = pd.read_csv("data/credit.csv")
x = df[["age", "amount", "duration"]]
model = DecisionTreeClassifier(max_depth=3).fit(x, df["risk"])
print("accuracy", model.score(x, df["risk"]))
pickle.dump(model, open("model.pkl", "wb"))
