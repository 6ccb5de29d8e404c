"""The benchmark of raters: a short run of it loses nothing. How long raters wait is measured, and not asserted."""

import pytest

from benchmarks.raters import main, run


@pytest.mark.slow
def test_many_raters_at_once_see_no_error_and_no_answer_is_lost():
    load = run(12, 4, 0.3, items=6, side=64)
    assert load.errors == []
    assert load.acknowledged == load.kept > 12
    assert len(load.milliseconds["answer"]) == load.acknowledged
    assert len(load.milliseconds["state"]) == 12


def test_its_options_are_explained(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--raters N" in capsys.readouterr().out
