"""The line about a run: minutes left are the work that is left by the speed of all cores so far."""

import io
import json
import sys

import pytest

from pipeline.runner import reproduce
from pipeline.runner.watching import (
    ALMOST,
    ON_TOP,
    TRUST,
    UNTIMED,
    Watch,
    expected_work,
    in_words,
    seconds_left,
    work_by_clock,
)
from pipeline.store.paths import Paths
from pipeline.store.progress import CLEAR_BELOW, UP, RunLine, say

FOUR = {f"scratch@{name}": 100.0 for name in "abcd"}
A, B, C, D = FOUR


def left(done=(), running=None, spent=0.0, cores=2, work=FOUR):
    return seconds_left(work, done, running or {}, spent, cores)


def test_at_first_the_work_is_divided_among_undisturbed_cores():
    assert left(cores=1) == pytest.approx(400) and left(cores=4) == pytest.approx(100)


def test_cells_that_run_at_the_same_time_make_progress_at_the_same_time():
    assert left([A, B], spent=100) == pytest.approx(100)
    assert left([A], {B: 50, C: 50}, spent=100) == pytest.approx(100)


def test_a_cell_that_runs_is_never_almost_done():
    """One that takes longer than expected is still to be waited for."""
    assert left([A, B, C], {D: 1000}, spent=1000, cores=1) == pytest.approx(
        100 * (1 - ALMOST) * (1000 + TRUST) / (300 + 100 * ALMOST + TRUST)
    )


def test_a_machine_of_half_the_speed_is_found_out():
    many = {f"scratch@{at}": 100.0 for at in range(40)}
    halves = [left(list(many)[:at], spent=100.0 * at, work=many) / (100.0 * (40 - at)) for at in (0, 2, 10, 30)]
    assert halves[0] == pytest.approx(0.5) and halves == sorted(halves) and 0.9 < halves[-1] < 1


def test_what_ends_at_once_counts_as_done():
    """A stale cell whose outputs come from DVC's cache."""
    assert left([A, B, C], spent=1.0) < left([A, B], spent=1.0) < left()


def test_nothing_is_left_of_a_run_that_is_done():
    assert left(FOUR, spent=200.0) == 0


def test_minutes_are_unknown_where_a_cells_work_is():
    assert left(work={A: None, B: 100.0}) is None
    assert left([A], spent=100, work={A: None, B: 100.0}) is not None


def test_work_is_by_the_own_clock_then_the_estimate_then_the_mean_of_the_stage():
    clocks, estimate = {A: 10.0, B: 30.0}, {B: 1.0, C: 2.0}
    cells = dict.fromkeys((A, B, C, D, "tune@a"), True) | {"report": False}
    assert expected_work(cells, clocks, estimate) == {A: 10, B: 30, C: 2, D: 20, "tune@a": None, "report": UNTIMED}


def test_on_an_accelerator_a_clock_counts_by_its_seconds():
    clock = {"seconds": 50.0, "cpu_seconds": 80.0, "device": "cpu"}
    assert work_by_clock(clock) == 80 * ON_TOP
    assert work_by_clock(clock | {"device": "gpu:0"}) == 50


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "3 of 9 cells done"),
        (20, "3 of 9 cells done, less than a minute left"),
        (70, "3 of 9 cells done, about 1 minute left"),
        (890, "3 of 9 cells done, about 15 minutes left"),
        (8000, "3 of 9 cells done, about 133 minutes left"),
    ],
)
def test_words(seconds, text):
    assert in_words(3, 9, seconds) == text
    assert in_words(9, 9, seconds) == "9 of 9 cells done"


# ---- a run -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def clocked(tmp_path):
    """A folder with clocks, and a function that writes one."""

    def write(name, seconds):
        stage, _, entry = name.partition("@")
        file = Paths(tmp_path).clock(stage, entry)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"cpu_seconds": seconds / ON_TOP, "seconds": seconds, "device": "cpu"}))

    return Paths(tmp_path), write


class Now:
    """A clock that stands until it is set."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


def test_a_run_of_stand_in_clocks_cell_by_cell(clocked, capsys):
    paths, write = clocked
    for name in (A, B, C):
        write(name, 600.0)
    now = Now()
    cells = dict.fromkeys(FOUR, True) | {"ingest@x": False}
    with Watch(cells, set(FOUR), 2, paths, now) as watch:  # ingest is up to date; the fourth has the mean of the others
        watch.begin(A)
        watch.begin(B)
        now.seconds = 600.0
        watch.end(A)
        watch.end(B)
        watch.begin(C)
        watch.begin(D)
        now.seconds = 1200.0
        watch.tick()  # draws nothing in a log
        watch.end(C)
        watch.end(D)
    assert capsys.readouterr().out.splitlines() == [
        "1 of 5 cells done, about 20 minutes left",
        "2 of 5 cells done, about 11 minutes left",  # the second runs still, and its last tenth is not trusted
        "3 of 5 cells done, about 10 minutes left",
        "4 of 5 cells done, about 1 minute left",
        "5 of 5 cells done",
    ]


def test_a_first_run_learns_the_work_of_a_stage_from_its_first_cell(clocked, capsys):
    paths, write = clocked
    with Watch(dict.fromkeys(FOUR, True), set(FOUR), 1, paths, now := Now()) as watch:
        watch.begin(A)
        now.seconds = 120.0
        write(A, 120.0)
        watch.end(A)
    assert capsys.readouterr().out.splitlines() == [
        "0 of 4 cells done",
        "1 of 4 cells done, about 6 minutes left",
    ]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"device": "cpu", "cpu_seconds": null}'])
def test_a_damaged_clock_or_estimate_stops_no_run(clocked, content, capsys):
    paths, write = clocked
    write(A, 1.0)
    paths.clock(*A.split("@")).write_text(content)
    paths.estimate.write_text(content)
    with Watch({A: True}, {A}, 1, paths):
        pass
    assert capsys.readouterr().out == "0 of 1 cells done\n"


def test_an_estimate_of_init_serves_a_first_run(clocked, capsys):
    paths, write = clocked
    write("tune@x", 1.0)
    paths.estimate.write_text(json.dumps({A: 300.0}))
    with Watch({A: True}, {A}, 1, paths):
        pass
    assert capsys.readouterr().out == "0 of 1 cells done, about 5 minutes left\n"


def test_run_all_tells_every_cell_that_ended_and_none_that_failed(clocked, capfd):
    paths, _ = clocked
    graph = {"a": set(), "b": {"a"}, "c": {"b"}}
    with Watch(dict.fromkeys(graph, False), set(graph), 2, paths) as watch:
        assert reproduce.run_all(graph, set(graph), 2, lambda name: sys.exit(7 * (name == "b")), watch) == 7
    assert capfd.readouterr().out.splitlines() == [
        "0 of 3 cells done, less than a minute left",
        "1 of 3 cells done, less than a minute left",
    ]


# ---- the terminal ----------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_the_line_is_drawn_below_the_bars_in_its_place(monkeypatch, capsys):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "20")
    line = RunLine(2)
    line.write("3 of 9 cells done, about 5 minutes left")
    drawn = screen.getvalue()
    assert drawn.startswith("\n\n\r3 of 9 cells done, ") and drawn.endswith(f"{UP}{UP}\r") and "about" not in drawn
    line.close()
    assert screen.getvalue() == drawn + CLEAR_BELOW and capsys.readouterr().out == ""


def test_what_a_cell_prints_clears_the_remains_of_bars_on_a_terminal_alone(monkeypatch, capsys):
    say("tune@a: done")
    assert capsys.readouterr().out == "tune@a: done\n"
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    say("tune@a: done")
    assert screen.getvalue() == f"{CLEAR_BELOW}tune@a: done\n"
