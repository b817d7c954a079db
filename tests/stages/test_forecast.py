"""forecast: from training rows alone, the same bytes twice, before the arms are trained."""

import numpy as np
import pytest
import tiny_world

from pipeline.forecast.scores import SCORES
from pipeline.store.files import read_json, read_parquet
from pipeline.store.paths import Paths


@pytest.fixture
def paths(world):
    return Paths(world.root)


def test_a_forecast_has_a_label_a_reason_and_the_z_of_every_score_beside_random_weights(paths):
    forecast = read_json(paths.forecast("to-defect").forecast)
    assert forecast["label"] in ("positive", "negative")
    assert set(forecast["scores"]) == set(SCORES)
    assert forecast["scores"]["leep"]["vote"] is None  # the source has no head
    for name in set(SCORES) - {"leep"}:
        assert all(np.isfinite(forecast["scores"][name][weights]) for weights in ("source", "random"))
    assert forecast["votes"] == len(SCORES) - 1 and forecast["gflops"] > 0


def test_it_runs_before_any_arm_and_twice_to_the_same_bytes(world_copy):
    root = world_copy().root
    paths = Paths(root)
    before = paths.forecast("to-defect").forecast.read_bytes()
    for stage in ("heads", "transfers", "baselines"):
        for folder in (root / "models" / stage).iterdir():
            folder.rename(folder.with_name(f"gone-{folder.name}"))
    tiny_world.run_cell(root, "forecast", "to-defect")
    assert paths.forecast("to-defect").forecast.read_bytes() == before


def test_of_many_images_a_part_of_those_to_train_on_is_scored(world_copy, monkeypatch, capsys):
    from pipeline.stages import forecast

    copied = world_copy()
    paths = Paths(copied.root)
    examples = read_parquet(paths.target("defect").examples)
    folds = copied.raw["run"]["folds"]
    trained_on = forecast.training_rows(examples, folds)
    assert np.array_equal(forecast.scored_rows(examples, folds, 3), np.arange(len(examples)))
    monkeypatch.setattr(forecast, "MOST_IMAGES", len(trained_on) - 5)
    scored = forecast.scored_rows(examples, folds, 3)
    assert set(scored) < set(trained_on) and len(scored) == len(trained_on) - 5
    everything = read_json(paths.forecast("to-defect").forecast)
    tiny_world.run_cell(copied.root, "forecast", "to-defect")
    made = read_json(paths.forecast("to-defect").forecast)
    assert made["gflops"] == pytest.approx(everything["gflops"] * len(scored) / len(examples))
    assert made["scores"] != everything["scores"] and made["votes"] == everything["votes"]
    assert f"(on {len(scored)} images to train on)" in capsys.readouterr().out


def test_labels_of_test_and_validation_rows_are_not_looked_at(world):
    from pipeline.stages.forecast import fold_z

    examples = read_parquet(Paths(world.root).target("defect").examples)
    rng = np.random.default_rng(0)
    by_weights = {"source": (rng.normal(size=(len(examples), 5)), None)}
    train = (examples["role_0"] == "train").to_numpy()
    names = sorted(examples["label"].unique())
    changed = examples.assign(label=np.where(train, examples["label"], names[0]))
    assert len(set(changed["label"])) == 2
    assert fold_z(by_weights, examples, 0, 20, 1) == fold_z(by_weights, changed, 0, 20, 1)
    moved = {"source": (np.where(train[:, None], by_weights["source"][0], 1e3), None)}
    assert fold_z(by_weights, examples, 0, 20, 1) == fold_z(moved, examples, 0, 20, 1)


def test_a_source_with_a_head_of_its_own_is_asked_by_leep(world_copy):
    copied = world_copy()
    transfer = {"setting": "transductive", "source": "round-defect", "target": "square-defect"}
    copied.raw["baselines"]["square"] = {**copied.raw["baselines"]["defect-tiny"], "target": "square-defect"}
    copied.raw["transfers"]["round-square"] = transfer
    sides = {"arm": "transfers/round-square", "against": "baselines/square"}
    copied.raw["questions"]["round-square"] = {"target": "square-defect", **sides}
    tiny_world.write_params(copied.root, copied.raw)
    for stage in ("extract", "forecast"):
        tiny_world.run_cell(copied.root, stage, "round-square")
    forecast = read_json(Paths(copied.root).forecast("round-square").forecast)
    assert np.isfinite(forecast["scores"]["leep"]["source"]) and np.isfinite(forecast["scores"]["leep"]["random"])
