"""Keep finished trainings by all that their result depends on, so that none is trained twice.

The key of a training is made of its settings, the content of its inputs, and the code and machine that train it; not of
its name, nor of other folds. So an interrupted run goes on, more repeats train only what is new, and questions that
share an arm share its trainings. On a CPU a kept training equals a new one to the bit.
"""

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from pipeline.arms.spec import FoldResult, FoldSpec
from pipeline.networks.saving import save_model
from pipeline.store.files import read_npy, read_parquet, write_json, write_parquet
from pipeline.store.kept import Store
from pipeline.store.outs import KeptFoldPaths
from pipeline.training.fingerprint import activation_digests, activations_of_fold, examples_of_fold, fingerprints

# the folders and files of the package that training imports from
CODE = ("arms", "networks", "registry/architectures.py", "registry/tuning.py", "store", "training")


class Clock(TypedDict):
    """The cell that trained a fold, STAGE@NAME, and how long it took."""

    cell: str
    seconds: float


@dataclass(frozen=True)
class KeptFold:
    """One fold of an arm, and the key of its result in the store."""

    spec: FoldSpec
    store: Store
    key: str

    @property
    def files(self) -> KeptFoldPaths:
        return KeptFoldPaths(self.store.entry(self.key))

    @property
    def finished(self) -> bool:
        """Whether the result of exactly this spec is stored, complete and undamaged."""
        return self.store.has(self.key)

    def keep(self, result: FoldResult, clock: Clock) -> None:
        """Write the fold's result as one sealed folder, or nothing."""

        def write(folder: Path) -> None:
            written = KeptFoldPaths(folder)
            save_model(result.model, written.model)
            write_parquet(written.predictions, result.predictions)
            write_parquet(written.trajectory, result.trajectory)
            write_parquet(written.history, result.history)
            write_json(written.cost, result.cost)
            write_json(written.clock, clock)

        self.store.make(self.key, write)


def kept_folds(store: Store, specs: list[FoldSpec]) -> list[KeptFold]:
    """The folds of an arm, each with its key."""
    return [KeptFold(spec, store, key) for spec, key in zip(specs, keys(specs), strict=True)]


def keys(specs: list[FoldSpec]) -> list[str]:
    """The fingerprint of every fold: of its spec, without its log, and with its own part of the examples alone.

    The same holds for cached activations, of which more repeats need more: a fold counts those that it reads.
    """
    table, digests = functools.cache(read_parquet), functools.cache(activation_digests)

    def inputs(spec: FoldSpec) -> Path | str:
        if spec.kind != "activations":
            return spec.inputs
        assert spec.places
        return activations_of_fold(digests(spec.inputs), read_npy(spec.places), table(spec.examples), spec.fold)

    contents = [
        {
            "spec": replace(spec, examples=Path(), inputs=Path(), places=None, live=None),
            "examples": examples_of_fold(table(spec.examples), spec.fold),
            "inputs": inputs(spec),
        }
        for spec in specs
    ]
    return fingerprints(contents, CODE)
