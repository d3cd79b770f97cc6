def numeric(table):
    """The columns that are numbers, without gaps."""
    return table.select_dtypes("number").fillna(0)
