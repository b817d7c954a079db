"""More repeats: of open questions alone, to the next planned look, with the comments of params.yaml kept."""

import builders
import pytest
import tiny_world

from pipeline.commands.more import add_repeats, next_looks
from pipeline.config.loading import check_params, load_params
from pipeline.store.errors import InputError
from pipeline.store.files import write_json
from pipeline.store.paths import Paths

OPEN, CLOSED = {"evidence": "inconclusive", "repeats": 3}, {"evidence": "conclusive", "repeats": 3}


@pytest.fixture
def params(toy):
    """The params of the miniature run with planned looks."""
    raw = tiny_world.RAW | {"verdict": tiny_world.RAW["verdict"] | {"looks": [3, 6, 12]}}
    raw = {**load_params(toy / "params.yaml").model_dump(mode="json", exclude_none=True), "verdict": raw["verdict"]}
    tiny_world.write_params(toy, raw)
    return check_params(raw)


def run(**readings):
    results = {
        name: builders.again(**fields) if name == "defect-null" else builders.transfer(**fields)
        for name, fields in readings.items()
    }
    return builders.run_of(results)


def test_open_questions_get_the_next_look(params):
    found = next_looks(params, run(**{"to-defect": OPEN, "to-kind": CLOSED, "defect-null": OPEN}))
    assert found == {"to-defect": 6}


def test_after_the_last_look_there_is_none(params):
    assert next_looks(params, run(**{"to-defect": OPEN | {"repeats": 12}})) == {}


def test_parts_and_questions_that_params_no_longer_have_are_left_alone(params):
    assert next_looks(params, run(**{"to-defect": OPEN | {"part_of": "to-kind"}, "gone": OPEN})) == {}


def test_unplanned_looks_are_refused(toy):
    with pytest.raises(InputError, match=r"verdict\.looks is empty"):
        next_looks(load_params(toy / "params.yaml"), run(**{"to-defect": OPEN}))


def test_the_repeats_are_written_and_comments_stay(toy, params):
    file = toy / "params.yaml"
    file.write_text("# mine\n" + file.read_text())
    with pytest.raises(InputError, match=r"metrics\.json does not exist"):
        add_repeats(toy)
    Paths(toy).report_metrics.parent.mkdir(parents=True, exist_ok=True)
    write_json(Paths(toy).report_metrics, run(**{"to-defect": OPEN, "to-kind": CLOSED}).metrics())
    assert add_repeats(toy).startswith("more: repeats of to-defect 3 -> 6. ")
    assert file.read_text().startswith("# mine\n")
    questions = load_params(file).questions
    assert (questions["to-defect"].repeats, questions["to-kind"].repeats) == (6, None)
    write_json(Paths(toy).report_metrics, run(**{"to-defect": CLOSED}).metrics())
    assert "nothing was changed" in add_repeats(toy)
