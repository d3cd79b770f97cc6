"""Named as a test of a model is, which pytest would not take together."""

from birds.measures import bill_ratio


def test_bill_ratio(bill):
    assert bill_ratio(**bill) == 2
