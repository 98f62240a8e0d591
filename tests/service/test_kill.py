"""Killing workers and servers loses no job, no credit, no file, and leaves no process. `benchmarks.kill` does more."""

from benchmarks.kill import kill_often


def test_nothing_is_lost_when_workers_and_servers_are_killed() -> None:
    figures = kill_often(4, seed=7)
    assert (figures.killed_workers, figures.killed_servers) == (2, 2)
    assert figures.completed == figures.jobs == 8
    assert (figures.failed, figures.ended_twice, figures.missing_credits.strip("0.")) == (0, 0, "")
    assert (figures.files_left, figures.results_wrong, figures.orphans) == (0, 0, 0)


def test_nothing_is_lost_in_the_middle_of_a_frame_of_the_real_network() -> None:
    figures = kill_often(2, seed=3, real=True)
    assert (figures.killed_workers, figures.killed_servers) == (1, 1)
    assert figures.completed == figures.jobs == 2
    assert (figures.failed, figures.ended_twice, figures.missing_credits.strip("0.")) == (0, 0, "")
    assert (figures.files_left, figures.results_wrong, figures.orphans) == (0, 0, 0)
