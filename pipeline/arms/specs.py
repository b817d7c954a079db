"""Build the specs of an arm's folds from params."""

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
    places: Path | None = None,
    method: TuningMethod = JOINT,
    again: int = 0,
    forecast: Path | None = None,
) -> list[FoldSpec]:
    """One spec per fold of an arm; all arms share folds, seed, class weights and augmentation.

    Args:
        fitting: the section of params.yaml for this arm (head, tune or scratch).
        networks: of every fold. places: of activations in `inputs`. method: of fine-tuning.
        again: from 1 on, the same arm once again under another seed.
        forecast: the file of the forecast made before the arm is trained, if there is one.
    """
    plan = Plan(
        learning_rate=settings[0].learning_rate,
        epochs=fitting.epochs,
        patience=fitting.patience,
        batch_size=fitting.batch_size,
        schedule=fitting.schedule,
        warmup=fitting.warmup,
        weight_decay=fitting.weight_decay,
        seed=seed_for(run.seed, "repeat", again) if again else run.seed,
        min_steps=fitting.min_steps,
        keep=fitting.keep,
        method=method,
    )
    return [
        FoldSpec(
            arm=arm,
            fold=fold,
            examples=examples,
            kind=kind,
            inputs=inputs,
            network=network,
            settings=settings,
            plan=plan,
            dropout=fitting.dropout,
            # pooled features exist for the identity view only
            augmentation="none" if kind == "features" else run.augmentation,
            class_weight=run.class_weight,
            precision=run.precision,
            kernels=run.kernels,
            places=places,
            live=live(fold),
            forecast=forecast,
        )
        for fold, network in enumerate(networks)
    ]


def unfreeze_of(params: Params, transfer: str) -> int | str:
    """The blocks that a transfer fine-tunes: its own `unfreeze`, else that of `tune`."""
    own = params.transfers[transfer].unfreeze
    return params.tune.unfreeze if own is None else own


def method_of(params: Params, transfer: str) -> TuningMethod:
    """A transfer's fine-tuning method: its own `method`, else that of `tune`, with the settings of `tune`."""
    name = params.transfers[transfer].method or params.tune.method
    return TuningMethod(name, params.tune.layer_decay, params.tune.l2_sp)
