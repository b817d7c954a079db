"""Messages: at most a dozen lines, none of them endless, the remedy kept, the rest in a file that is named."""

import pytest

from pipeline.runner.messages import MOST_CHARACTERS, MOST_LINES, bounded, file_name


@pytest.mark.parametrize("message", ["one line", "\n".join(f"line {n}" for n in range(MOST_LINES)), "x" * 320])
def test_a_message_within_bounds_stays_and_writes_no_file(tmp_path, message):
    assert bounded(message, tmp_path / "all.txt") == message
    assert not list(tmp_path.iterdir())


def test_a_long_list_is_cut_and_the_file_has_all_of_it(tmp_path):
    message = "params.yaml has 150 faults:\n" + "\n".join(f"  - fault {number}" for number in range(150))
    text = bounded(message, tmp_path / "messages" / "all.txt")
    lines = text.splitlines()
    assert len(lines) == MOST_LINES and lines[0] == "params.yaml has 150 faults:"
    assert lines[1:10] == [f"  - fault {number}" for number in range(9)]
    assert lines[10:] == ["  ... and 141 more lines", f"All of it: {tmp_path / 'messages' / 'all.txt'}"]
    assert (tmp_path / "messages" / "all.txt").read_text() == message + "\n"


@pytest.mark.parametrize("lines", [12, 13, 40])
def test_the_remedy_at_the_end_is_kept(tmp_path, lines):
    message = "\n".join([*(f"  - {'name ' * 100}{number}" for number in range(lines - 1)), "Do this."])
    shown = bounded(message, tmp_path / "all.txt").splitlines()
    assert len(shown) <= MOST_LINES and shown[-2] == "Do this."
    assert max(map(len, shown)) <= MOST_CHARACTERS


def test_a_line_of_many_names_loses_its_middle_alone(tmp_path):
    names = ", ".join(f"class-{number}" for number in range(150))
    shown = bounded(f"No image of class {names}. Add some.", tmp_path / "all.txt")
    line, where = shown.splitlines()
    assert line.startswith("No image of class class-0, ") and line.endswith("class-149. Add some.")
    assert " ... " in line and len(line) == MOST_CHARACTERS
    assert where == f"All of it: {tmp_path / 'all.txt'}"
    assert "class-77," in (tmp_path / "all.txt").read_text()


def test_where_no_file_can_be_written_the_message_is_bounded_all_the_same(tmp_path):
    (tmp_path / "file").write_text("")
    shown = bounded("\n".join(map(str, range(99))), tmp_path / "file" / "all.txt").splitlines()
    assert len(shown) == MOST_LINES and shown[-1] == "All of it could not be written to a file."


def test_a_file_name_is_made_of_the_command():
    assert file_name(["split", "my target/../x"]) == "split-my-target-x"
    assert file_name([]) == "command"
