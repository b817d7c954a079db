"""Specs from params: repeats, and a transfer's own `unfreeze` and `method`."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_world

from pipeline.arms.networks import HeadNetwork
from pipeline.arms.spec import sweep
from pipeline.arms.specs import fold_specs, method_of, unfreeze_of
from pipeline.config.loading import check_params
from pipeline.config.schema import Run, Scratch
from pipeline.store.errors import ParamsError
from pipeline.store.seeds import seed_for
from pipeline.store.yaml import read_yaml
from pipeline.training.tuning import TuningMethod


def specs(again):
    return fold_specs(
        Run(**tiny_world.RAW["run"]),
        Scratch(**tiny_world.RAW["scratch"], min_steps=3),
        arm="scratch",
        examples=Path("examples.parquet"),
        kind="pixels",
        inputs=Path("images.npy"),
        networks=[HeadNetwork(5, 2)] * 2,
        settings=sweep([1e-3]),
        live=lambda fold: Path("live"),
        again=again,
    )


def test_an_arm_once_again_has_another_seed_and_the_first_that_of_the_run():
    seeds = [specs(again)[0].plan.seed for again in range(3)]
    assert seeds == [7, seed_for(7, "repeat", 1), seed_for(7, "repeat", 2)]
    assert specs(0)[1].plan.min_steps == 3


@pytest.mark.parametrize(("own", "expected"), [(None, 6), (0, 0), ("all", "all"), (2, 2)])
def test_a_transfers_own_unfreeze_comes_before_that_of_tune(own, expected):
    params = SimpleNamespace(transfers={"x": SimpleNamespace(unfreeze=own)}, tune=SimpleNamespace(unfreeze=6))
    assert unfreeze_of(params, "x") == expected


@pytest.mark.parametrize(("own", "expected"), [(None, "layerwise"), ("joint", "joint"), ("l2_sp", "l2_sp")])
def test_a_transfers_own_method_comes_before_that_of_tune_and_takes_its_settings(own, expected):
    tune = SimpleNamespace(method="layerwise", layer_decay=0.7, l2_sp=0.2)
    params = SimpleNamespace(transfers={"x": SimpleNamespace(method=own)}, tune=tune)
    assert method_of(params, "x") == TuningMethod(expected, 0.7, 0.2)


def test_a_typo_in_a_transfers_method_is_one_fault(params_file):
    raw = read_yaml(params_file)
    raw["transfers"]["imagenet-to-defect"]["method"] = "graduall"
    with pytest.raises(ParamsError) as caught:
        check_params(raw)
    (fault,) = caught.value.faults
    assert fault.startswith("transfers.imagenet-to-defect.method: ") and "'gradual'" in fault and "'graduall'" in fault
