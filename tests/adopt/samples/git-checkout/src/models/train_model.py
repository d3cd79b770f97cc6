# -*- coding: utf-8 -*-
import logging
from pathlib import Path

import click
import joblib
import pandas as pd
from dotenv import find_dotenv, load_dotenv
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split

from src.features.build_features import build_features


@click.command()
@click.argument("input_filepath", type=click.Path(exists=True), default="data/processed/credit.csv")
@click.argument("output_filepath", type=click.Path(), default="models/model.joblib")
def main(input_filepath, output_filepath):
    logger = logging.getLogger(__name__)
    table = pd.read_csv(input_filepath)
    x, y = build_features(table), table["risk"]
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=5)
    model = ExtraTreesClassifier(n_estimators=40, random_state=5).fit(x_train, y_train)
    logger.info("accuracy %.3f", model.score(x_test, y_test))
    Path(output_filepath).parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, output_filepath)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    project_dir = Path(__file__).resolve().parents[2]
    load_dotenv(find_dotenv())
    main()
