import argparse
import os

import numpy as np
import pandas as pd
from azureml.core import Dataset, Run
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.externals import joblib
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

run = Run.get_context()


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument('--data-path', type=str, help='Folder that holds credit.csv')
    return parser.parse_args()


def get_pipeline():
    numeric = Pipeline([('impute', SimpleImputer(strategy='median')), ('scale', StandardScaler())])
    words = Pipeline([('encode', OneHotEncoder(handle_unknown='ignore', sparse=False))])
    columns = ColumnTransformer([
        ('numeric', numeric, ['age', 'amount', 'duration']),
        ('words', words, ['housing', 'purpose']),
    ])
    return Pipeline([('columns', columns), ('forest', RandomForestClassifier(n_estimators=20, random_state=0))])


def main():
    args = parse_args()
    print(f'Arguments: {args}')
    table = pd.read_csv(os.path.join(args.data_path, 'credit.csv'))
    target = table.pop('risk')
    train_x, test_x, train_y, test_y = train_test_split(table, target, test_size=0.25, random_state=0)

    model = get_pipeline().fit(train_x, train_y)
    train_acc = model.score(train_x, train_y)
    test_acc = model.score(test_x, test_y)
    run.log('Train accuracy', train_acc)   # shown in the portal
    run.log('Test accuracy', np.float(test_acc))

    os.makedirs('outputs', exist_ok=True)
    joblib.dump(model, 'outputs/model.pkl')


if __name__ == '__main__':
    main()
