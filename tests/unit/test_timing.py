"""The one value of how long processes wait for one another."""

from __future__ import annotations

import pytest

from llmcoder.timing import TIMING, Timing


def test_a_process_that_nobody_tells_otherwise_has_the_usual_one() -> None:
    assert Timing() == TIMING


def test_a_fraction_of_it_keeps_every_relation() -> None:
    fifth = Timing().scaled(0.2)
    assert fifth.grace_s == pytest.approx(1.0)
    assert fifth.ring_again_s == pytest.approx(3.0)


@pytest.mark.parametrize("wrong", [{"look_s": 2.0}, {"ring_again_s": 3.0}, {"idle_look_s": 0.0}, {"grace_s": -1.0}])
def test_what_does_not_fit_together_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"look|twice"):
        Timing(**wrong)
