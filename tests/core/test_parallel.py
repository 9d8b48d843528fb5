import operator

import pytest
from joblib import delayed

from ostinato.core.parallel import AHEAD, in_order


def test_results_come_in_the_order_of_the_jobs():
    jobs = (delayed(pow)(base, 2) for base in range(50))
    assert list(in_order(jobs)) == [base**2 for base in range(50)]


def test_few_jobs_are_begun_before_their_results_are_taken(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    taken = []
    jobs = (taken.append(n) or delayed(operator.neg)(n) for n in range(100))
    for number, result in enumerate(in_order(jobs)):
        assert result == -number
        assert len(taken) <= number + 2 * AHEAD


def test_what_a_job_raises_is_raised_and_others_work_afterwards():
    with pytest.raises(ZeroDivisionError):
        list(in_order(delayed(divmod)(1, number) for number in (1, 0, *range(1, 50))))
    assert list(in_order([delayed(divmod)(7, 2)])) == [(3, 1)]
