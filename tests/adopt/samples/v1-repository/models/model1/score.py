import json
import os

import joblib


def init():
    global model
    model = joblib.load(os.path.join(os.environ['AZUREML_MODEL_DIR'], 'model.pkl'))


def run(data):
    return json.dumps(model.predict(data).tolist())
