"""From params to the specs of an arm's folds."""

from collections.abc import Callable
from pathlib import Path

from pipeline.frame.params import Fitting, Run
from pipeline.training.arms import Network
from pipeline.training.fit import Plan
from pipeline.training.train import FoldSpec, Setting


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
    live: Callable[[int], Path],
) -> list[FoldSpec]:
    """One spec a fold; arms share folds, seed, class weights and augmentation by coming through here."""
    plan = Plan(
        learning_rate=settings[0].learning_rate,
        epochs=fitting.epochs,
        patience=fitting.patience,
        batch_size=fitting.batch_size,
        schedule=fitting.schedule,
        warmup=fitting.warmup,
        weight_decay=fitting.weight_decay,
        seed=run.seed,
    )
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
        )
        for fold in range(run.folds)
    ]
