"""Measures that are worked out from others."""


def bill_ratio(length, depth):
    """How slender a bill is; numbers or columns of a table."""
    return length / depth
