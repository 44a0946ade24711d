import pytest

from lightning_flowers.rehearse.search import bisect


@pytest.mark.parametrize(("most", "start"), [(100, 16), (100, 512), (5, 16), (1, 16), (16, 16)])
def test_the_largest_that_fits_is_found_to_one_in_sixteen(most, start):
    tried = []

    def fits(number):
        tried.append(number)
        return number <= most

    found = bisect(fits, start)
    assert most - max(most // 16, 0) <= found <= most
    assert len(tried) == len(set(tried)) <= 12


def test_where_not_one_fits_the_answer_is_none():
    assert bisect(lambda number: False, 16) == 0
