# -*- coding: utf-8 -*-
from __future__ import print_function

import argparse
import os

import lightgbm as lgb
import numpy as np
import pandas as pd
from azureml.core.run import Run
from sklearn.externals import joblib

parser = argparse.ArgumentParser()
parser.add_argument('--data-folder', type=str, dest='data_folder')
parser.add_argument('--rounds', type=int, default=20)
args = parser.parse_args()

rank = int(os.environ.get('OMPI_COMM_WORLD_RANK', '0'))
run = Run.get_context()
frame = pd.read_csv(os.path.join(args.data_folder, 'credit.csv'))
x = frame[['age', 'amount', 'duration']].values
y = (frame.risk == 'good').values.astype(np.int)
booster = lgb.train({'objective': 'binary', 'verbose': -1, 'seed': rank}, lgb.Dataset(x, y), num_boost_round=args.rounds)
right = np.mean((booster.predict(x) > 0.5) == y)
run.log('accuracy', np.float(right))
if rank == 0:
    os.makedirs('./outputs/model', exist_ok=True)
    booster.save_model('./outputs/model/credit.txt')
    joblib.dump(booster, './outputs/model/credit.pkl')
