"""attribute: the third reading of a transfer: how much of its gain is the scale of the weights, how much features."""

from pipeline.config.params import Params
from pipeline.stages.evaluate import read_arms
from pipeline.store.files import check_sealed, read_json, read_parquet, replacing_folder, write_json
from pipeline.store.outs import ArmPaths, TransferPaths
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for
from pipeline.verdict import arms as tables
from pipeline.verdict.attribution import attribute
from pipeline.verdict.judging import in_words
from pipeline.verdict.spending import PARTS, SCRATCH

TRACKS = ("run.seed", "rescaled.{name}", "transfers.{transfer}", "verdict")
RESCALED = "rescaled"


def run(params: Params, paths: Paths, name: str) -> str:
    """Read what the transfer's arms and the rescaled network predicted, write the two parts of the gain."""
    entry = params.rescaled[name]
    target = paths.target(entry.target)
    check_sealed(target.folder)
    examples = read_parquet(target.examples)
    tested = tables.tested_images(examples)
    arms = read_arms(params.transfers[entry.transfer], entry.transfer, paths, examples, tested.classes)
    last = [arm for arm in arms if arm != SCRATCH][-1]
    files = ArmPaths(check_sealed(paths.arm("rescale", name).folder))
    rescaled, cost = tables.aligned(read_parquet(files.predictions), examples, tested.classes), read_json(files.cost)
    seed = seed_for(params.run.seed, "bootstrap", name)
    parts = attribute(tested, arms[last].probabilities, rescaled, arms[SCRATCH].probabilities, params.verdict, seed)
    with replacing_folder(paths.transfer(name).folder) as folder:
        out = TransferPaths(folder)
        spent = {count: cost[count] for count in ("gflops", *PARTS)}
        spent["images_seen"] = sum(fold["images_seen"] for fold in cost["folds"])
        stopped = [fold["stopped_improving"] for fold in cost["folds"]]
        write_json(out.verdict, {"arm": last, **parts, **spent, "stopped_improving": stopped})
        write_json(out.metrics, {RESCALED: tables.arm_metrics(tested, rescaled)})
    return "; ".join(f"{part}: {in_words(parts[part])}" for part in ("scaling", "features"))
