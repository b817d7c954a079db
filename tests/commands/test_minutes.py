"""The estimate of a run's minutes: steps are counted as the trainings count them."""

import sys

import pandas as pd
import pytest

from pipeline.commands import minutes
from pipeline.commands.suggest import Suggestion
from pipeline.config.loading import load_params
from pipeline.config.schema import Dataset
from pipeline.store.errors import InputError

SPEED = {"ready": 5.0, "head_step": 0.001, "busy": 1.0} | {
    f"{name} {key}": seconds
    for name in ("efficientnet_lite0", "cifar_resnet8")
    for key, seconds in {"build": 2.0, "trace": 10.0, "step": 0.5, "predict": 0.2}.items()
}
SPEED |= {
    "efficientnet_lite0 tune_trace": 5.0,
    "efficientnet_lite0 tune_step": 0.2,
    "efficientnet_lite0 tune_predict": 0.05,
}


@pytest.fixture(scope="module")
def params(request):
    """A question about 1,000 images in the place of the demo's."""
    params = load_params(request.config.rootpath / "params.yaml")
    kept = {
        "datasets": {"own": Dataset(reader="folder", raw="own", labels=["label"])},
        "targets": {"own": params.targets["few-labels-anywhere"]},
        "sources": {"imagenet": params.sources["imagenet"]},
        "pretrained": {},
        "baselines": {
            name: params.baselines[f"anywhere-{name}"].model_copy(update={"target": "own"})
            for name in ("lite0", "resnet8")
        },
        "transfers": {"imagenet-to-own": params.transfers["imagenet-to-defects"].model_copy(update={"target": "own"})},
        "questions": {"imagenet-to-own": params.questions["imagenet-to-defects"]},
    }
    return params.model_copy(update=kept)


def suggestion(trainings=4):
    roles = pd.DataFrame([{"train": 400, "validation": 100, "test": 500}] * trainings)
    return Suggestion(Dataset(reader="folder", raw="own", labels=["label"]), {}, {"own": roles}, 0, 2, [])


def test_an_arm_takes_its_steps_its_predictions_and_what_surrounds_them(params):
    work = minutes.work_of(params, suggestion(), 1000, 0.01, SPEED, workers=2)
    scratch = params.scratch
    steps = scratch.epochs * 25  # two passes over 400 images in batches of 32, since one has fewer than min_steps
    predictions = (scratch.epochs + 1) * 2 + 7 * 8  # validation and kept test batches of 64
    fits = 4 * (steps * 0.5 + predictions * 0.2 + 2.0 + minutes.TRAINING)
    startup = 2 * 10.0 + 5.0
    assert work.cells["scratch@lite0"] == pytest.approx(fits + startup + minutes.CELL)
    assert set(work.cells) >= {
        "ingest@own",
        "validate@own",
        "split@own",
        "tune@imagenet-to-own",
        "head@imagenet-to-own",
    }
    assert work.cells["tune@imagenet-to-own"] < work.cells["scratch@lite0"]


def test_twice_the_trainings_take_about_twice_the_time_and_cores_divide_it(params):
    once, twice = (minutes.work_of(params, suggestion(n), 1000, 0.01, SPEED, 2) for n in (10, 20))
    assert 1.7 < twice.seconds(2) / once.seconds(2) < 2
    assert once.seconds(4) < once.seconds(2) < once.seconds(1)


def test_other_views_are_extracted_of_images_that_a_fold_trains_on_alone(params):
    def seconds(train, trainings):
        roles = pd.DataFrame([{"train": train, "validation": 100, "test": 900 - train}] * trainings)
        asked = Suggestion(Dataset(reader="folder", raw="own", labels=["label"]), {}, {"own": roles}, 0, 2, [])
        work = minutes.work_of(params, asked, 1000, 0.01, SPEED, workers=1)
        return work.cells["extract@imagenet-to-own"] - minutes.CELL - minutes.STAGES["extract"]

    whole, below = 1000 * 0.2 / 64, 1000 * (0.2 - 0.05) / 64  # all images through the network, and up to the cut
    assert seconds(400, 1) == pytest.approx(whole + 0.4 * 7 * below)
    assert seconds(400, 2) == pytest.approx(whole + (1 - 0.6**2) * 7 * below)
    assert seconds(500, 20) == pytest.approx(whole + 7 * below, rel=1e-5)


@pytest.mark.parametrize("images", [5, 33, 400, 4000])
def test_epochs_have_the_steps_of_the_trainings(params, images):
    from pipeline.training.batches import PREDICT_BATCH, epoch_shape

    for fitting in (params.head, params.tune, params.scratch):
        shape = epoch_shape(images, fitting.batch_size, fitting.min_steps)
        assert minutes.epoch_of(images, fitting) == (shape.steps, shape.size)
    assert minutes.PREDICT_BATCH == PREDICT_BATCH


def test_views_and_the_bound_of_workers_are_those_of_the_trainings():
    from pipeline.arms.parallel import LEAST_IMAGES
    from pipeline.training.augmentation import view_count

    assert {name: view_count(name) for name in minutes.VIEWS} == minutes.VIEWS
    assert minutes.WORTH_WORKERS == LEAST_IMAGES


def test_a_busy_machine_is_told():
    work = minutes.Work()
    assert minutes.Estimate(600, 1.1, work, 2).sentence() == "about 10 minutes on this machine (2 trainings at once)"
    assert "about 5 minutes if it were idle" in minutes.Estimate(600, 2.0, work, 2).sentence()
    assert "2.5 hours" in minutes.Estimate(9000, 1.0, work, 2).sentence()


def test_a_measurement_that_fails_is_one_message(params, monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(InputError, match=r"cannot be measured.*--no-measure"):
        minutes.measured(params, 2, 1)
