"""From params to the specs of an arm's folds."""

from collections.abc import Callable
from pathlib import Path

from pipeline.arms.networks import Network
from pipeline.arms.spec import FoldSpec, Setting
from pipeline.config.params import Params
from pipeline.config.schema import Fitting, Run
from pipeline.store.seeds import seed_for
from pipeline.training.fit import Plan
from pipeline.training.tuning import JOINT, TuningMethod


def fold_specs(
    run: Run,
    fitting: Fitting,
    *,
    arm: str,
    examples: Path,
    kind: str,
    inputs: Path,
    networks: list[Network],
    settings: tuple[Setting, ...],
    live: Callable[[int], Path | None],
    method: TuningMethod = JOINT,
    repeat: int = 0,
    forecast: Path | None = None,
) -> list[FoldSpec]:
    """The specs of an arm, one a fold; through this function arms share folds, seed, class weights and augmentation.

    Args:
        method: how blocks are trained, where it is not all of them jointly.
        repeat: from 1 on, the same arm once more under another seed.
        forecast: the file of the forecast made before the arm is trained, where there is one.
    """
    seed = seed_for(run.seed, "repeat", repeat) if repeat else run.seed
    plan = plan_of(fitting, settings[0].learning_rate, seed, method)
    return [
        FoldSpec(
            arm=arm,
            fold=fold,
            examples=examples,
            kind=kind,
            inputs=inputs,
            network=networks[fold],
            settings=settings,
            plan=plan,
            dropout=fitting.dropout,
            # pooled features exist for the identity view only
            augmentation="none" if kind == "features" else run.augmentation,
            class_weight=run.class_weight,
            precision=run.precision,
            live=live(fold),
            forecast=forecast,
        )
        for fold in range(run.folds)
    ]


def plan_of(fitting: Fitting, learning_rate: float, seed: int, method: TuningMethod) -> Plan:
    """How to fit by a section of params.yaml (head, tune or scratch), at one learning rate of its sweep."""
    return Plan(
        learning_rate=learning_rate,
        epochs=fitting.epochs,
        patience=fitting.patience,
        batch_size=fitting.batch_size,
        schedule=fitting.schedule,
        warmup=fitting.warmup,
        weight_decay=fitting.weight_decay,
        seed=seed,
        min_steps=fitting.min_steps,
        keep=fitting.keep,
        method=method,
    )


def unfreeze_of(params: Params, transfer: str) -> int | str:
    """The blocks of the backbone that a transfer tunes: its own `unfreeze`, else that of `tune`."""
    own = params.transfers[transfer].unfreeze
    return params.tune.unfreeze if own is None else own


def method_of(params: Params, transfer: str) -> TuningMethod:
    """How a transfer's blocks are tuned: by its own `method`, else that of `tune`, with the settings of `tune`."""
    return TuningMethod(
        params.transfers[transfer].method or params.tune.method, params.tune.layer_decay, params.tune.l2_sp
    )
