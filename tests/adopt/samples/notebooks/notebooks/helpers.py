def clean(df):
    df = df.dropna().copy()
    df.columns = [c.lower() for c in df.columns]
    return df
