"""Bars of several processes are one bar; a process that counts into a file draws nothing."""

import time

import pytest

from pipeline.store import progress as module
from pipeline.store.progress import counting_into, one_bar, progress, read_count


class Bar:
    """A stand-in of tqdm that keeps what it was told."""

    def __init__(self, *_, **options):
        self.total, self.count = options["total"], 0

    def update(self, more):
        self.count += more

    def __exit__(self, *_):
        self.closed = True


@pytest.fixture
def bars(monkeypatch):
    made = []
    monkeypatch.setattr(module, "tqdm", lambda *given, **options: made.append(Bar(*given, **options)) or made[-1])
    return made


def test_a_loop_that_counts_into_a_file_draws_nothing(tmp_path, capsys, bars):
    with counting_into(tmp_path / "count"):
        for _ in range(2):  # two settings of one training
            with progress(total=6, label="fold", unit="image") as bar:
                for _ in range(3):
                    bar.update(2)
        assert list(progress([1, 2], total=2)) == [1, 2]
    assert read_count(tmp_path / "count") == 12
    assert bars == [] and capsys.readouterr().err == ""


def test_the_bar_is_the_sum_of_all_files(tmp_path, bars):
    files = [tmp_path / "a", tmp_path / "b"]
    with one_bar(files, 10, "arm", "image"):
        assert bars[0].total == 10
        files[0].write_text("3")
        files[1].write_text("4")
        deadline = time.monotonic() + 10
        while bars[0].count != 7 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert bars[0].count == 7
        files[0].write_text("30")  # a training that saw more than was planned
    assert bars[0].count == 10 and bars[0].closed


def test_a_count_that_is_not_there_yet_is_nothing(tmp_path):
    assert read_count(tmp_path / "none") == 0
    (tmp_path / "half").write_text("")
    assert read_count(tmp_path / "half") == 0
