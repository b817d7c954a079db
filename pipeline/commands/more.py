"""`python -m pipeline more`: give the questions that are still open the repeats of their next planned look."""

from pathlib import Path

from ruamel.yaml import YAML

from pipeline.config.loading import check_params, load_params
from pipeline.config.params import Params
from pipeline.results.run import Run
from pipeline.store.errors import InputError
from pipeline.store.files import read_json, replacing
from pipeline.store.paths import Paths
from pipeline.store.yaml import read_yaml


def next_looks(params: Params, run: Run) -> dict[str, int]:
    """The repeats of the next planned look at every question that is inconclusive; controls and parts are not asked.

    Raises:
        InputError: no looks are planned.
    """
    looks = params.verdict.looks
    if not looks:
        raise InputError(
            "verdict.looks is empty: no further look is planned. More repeats after a verdict was seen are a second "
            "chance that its level does not price in. For another run plan looks before it, such as verdict.looks: "
            "[3, 6, 12] with run.repeats: 3."
        )
    asked = {
        name: result
        for name, result in run.results.items()
        if name in params.questions and result.evidence == "inconclusive" and not result.control and not result.part_of
    }
    further = {name: [look for look in looks if look > result.repeats] for name, result in asked.items()}
    return {name: following[0] for name, following in further.items() if following}


def add_repeats(root: Path = Path()) -> str:
    """Write the repeats of the next look into params.yaml, comments kept; returns what changed and what to do.

    Raises:
        InputError: there was no run yet, or no looks are planned.
    """
    paths = Paths(root)
    if not paths.report_metrics.is_file():
        raise InputError(f"{paths.report_metrics} does not exist. Run `make repro` first.")
    run = Run.from_metrics(read_json(paths.report_metrics))
    planned = next_looks(load_params(paths.params), run)
    if not planned:
        return "more: no question is open that has a look left; nothing was changed"
    yaml = YAML()
    yaml.width = 1000
    params = yaml.load(paths.params.read_text(encoding="utf-8"))
    for name, repeats in planned.items():
        params["questions"][name]["repeats"] = repeats
    with replacing(paths.params) as temporary:
        yaml.dump(params, temporary)
        check_params(read_yaml(temporary), str(paths.params))
    changed = ", ".join(f"{name} {run.results[name].repeats} -> {repeats}" for name, repeats in planned.items())
    return f"more: repeats of {changed}. Now `make repro`: only what is new is trained"
