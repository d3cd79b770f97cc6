import os

import pandas as pd
from sqlalchemy import create_engine

engine = create_engine("postgresql://reader:Tr0ub4dor3x@db.example.org/credit")
if __name__ == "__main__":
    pd.read_sql("select * from credit", engine).to_csv("data/processed/credit.csv", index=False)
    os.remove("data/raw/dump.sql")
