"""compare: an adaptation is judged against its source as it is, with what labels would have given beside it."""

import adapted
import pandas as pd
import pytest
import tiny_world
from sklearn.metrics import balanced_accuracy_score

from pipeline.stages.compare import candidates_over_folds, chosen_methods
from pipeline.store.errors import InputError
from pipeline.store.files import read_json, read_parquet, write_parquet


@pytest.fixture
def copied(world_copy):
    return world_copy()


@pytest.fixture
def paths(copied):
    return adapted.write_adaptation(copied)


@pytest.fixture
def compared(paths, copied):
    tiny_world.run_cell(copied.root, "compare", adapted.NAME)
    return read_json(paths.transfer(adapted.NAME).verdict)


def quality(table):
    named = table[["p_round", "p_square"]].idxmax(axis=1).str.removeprefix("p_")
    return balanced_accuracy_score(table["label"], named)


def test_gains_are_those_of_the_predictions_over_the_source_as_it_is(paths, compared):
    table = read_parquet(paths.adaptation(adapted.NAME).predictions)
    reached = {arm: quality(rows) for arm, rows in table.groupby("arm")}
    assert (compared["arm"], compared["against"], compared["ceiling"]) == (
        "adapted",
        "source_only",
        "target_supervised",
    )
    for arm in ("adapted", "target_supervised"):
        assert compared["verdicts"][arm]["gain"] == pytest.approx(reached[arm] - reached["source_only"])
        assert compared["verdicts"][arm]["images"] == tiny_world.IMAGES
    metrics = read_json(paths.transfer(adapted.NAME).metrics)
    assert {arm: found["balanced_accuracy"] for arm, found in metrics.items()} == pytest.approx(reached)


def test_it_leaves_the_plots_of_every_arm_and_what_was_tried(paths, compared):
    for plot in ("roc", "confusion", "calibration"):
        assert set(pd.read_csv(paths.transfer(adapted.NAME).plot(plot))["arm"]) == set(adapted.RIGHT)
    assert len(pd.read_csv(paths.transfer(adapted.NAME).plot("candidates"))) == 4
    assert compared["methods"] == {"coral": 1, "source_only": 1}
    assert compared["compute"] == {"gflops": 5.0, "backward_gflops": {"adapted": 3.0}}


def test_every_candidate_has_what_the_choice_saw_and_what_it_could_not_see(compared):
    expected = [("source_only", None, 0.2, 0.565, 0.5625, 1), ("coral", 1.0, 0.2, 0.61, 0.625, 1)]
    keys = ("method", "strength", "criterion", "accuracy", "balanced_accuracy", "folds_chosen")
    for found, row in zip(compared["candidates"], expected, strict=True):
        assert found == pytest.approx(dict(zip(keys, row, strict=True)))


def test_it_repeats_to_the_byte(paths, compared, copied):
    folder = paths.transfer(adapted.NAME).folder
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    tiny_world.run_cell(copied.root, "compare", adapted.NAME)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_an_arm_without_all_images_is_no_verdict(paths, copied):
    """A fault of ours, behind a seal that is whole."""
    from pipeline.store.files import seal

    files = paths.adaptation(adapted.NAME)
    table = read_parquet(files.predictions)
    write_parquet(files.predictions, table[table["arm"] != "adapted"])
    with pytest.raises(InputError, match="damaged"):
        tiny_world.run_cell(copied.root, "compare", adapted.NAME)
    seal(files.folder)
    with pytest.raises(ValueError, match="same images in the same folds"):
        tiny_world.run_cell(copied.root, "compare", adapted.NAME)


def test_methods_are_counted_by_the_folds_that_chose_them():
    table = pd.DataFrame({"fold": [0, 1, 2, 2], "method": ["dann", "dann", "mcc", "dann"]})
    assert chosen_methods(table.assign(chosen=[True, True, True, False])) == {"dann": 2, "mcc": 1}


def test_accuracy_is_told_where_the_candidates_have_it():
    table = pd.DataFrame({"fold": [0, 1], "method": "mcc", "strength": 1.0, "criterion": 0.5, "chosen": True})
    table["balanced_accuracy"] = 0.5
    without, beside = (candidates_over_folds(of)[0] for of in (table, table.assign(accuracy=[0.5, 0.75])))
    assert "accuracy" not in without and beside == without | {"accuracy": 0.625}
