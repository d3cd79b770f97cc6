import os
from dataclasses import dataclass

import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from src.utils import save_object


@dataclass
class ModelTrainerConfig:
    trained_model_file_path = os.path.join("artifacts", "model.pkl")


class ModelTrainer:
    def __init__(self):
        self.model_trainer_config = ModelTrainerConfig()

    def initiate_model_trainer(self, train_path, test_path):
        train, test = pd.read_csv(train_path), pd.read_csv(test_path)
        columns = ["age", "amount", "duration"]
        model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(train[columns], train["risk"])
        save_object(file_path=self.model_trainer_config.trained_model_file_path, obj=model)
        return model.score(test[columns], test["risk"])
