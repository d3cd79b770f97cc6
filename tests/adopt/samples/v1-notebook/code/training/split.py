from sklearn.model_selection import train_test_split


def halves(df):
    return train_test_split(df, test_size=0.3, random_state=3)
