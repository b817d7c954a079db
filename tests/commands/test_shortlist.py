"""`shortlist` as a user meets it: which sources, in which order, what is left out; nothing is written."""

import contextlib
import hashlib
import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from pipeline.cli import main
from pipeline.commands.shortlist import heading, minutes_of, print_shortlist, show
from pipeline.commands.tuned import tuned_architectures
from pipeline.config.loading import load_params
from pipeline.config.schema import Source
from pipeline.forecast.scores import SCORES
from pipeline.registry.architectures import ARCHITECTURES
from pipeline.shortlist import ranking
from pipeline.shortlist.candidates import Candidate, candidates
from pipeline.stages import forecast as stage
from pipeline.store.errors import InputError
from pipeline.store.files import read_parquet
from pipeline.store.paths import Paths


def digests(root):
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in root.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def alone():
    """No published weights on this machine but those that params name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.shortlist.candidates.ARCHITECTURES", {})
        patch.setattr("pipeline.shortlist.candidates.APPLICATIONS", {})
        yield


def ranked(name: str, **scores: float | None) -> ranking.Ranked:
    made = {"scores": {score: {"source": scores.get(score, 0.0)} for score in SCORES}}
    entry = Source(architecture="x", weights="imagenet")
    return ranking.Ranked(Candidate(name, entry, True, lambda size: None), made, 1.0)


def test_sources_are_ordered_by_their_mean_place():
    found = [ranked("low"), ranked("best", knn=3.0, gbc=2.0, logme=1.0), ranked("middle", knn=4.0)]
    assert [each.candidate.name for each in ranking.ordered(found)] == ["best", "middle", "low"]


def test_a_score_that_some_source_lacks_does_not_count():
    """LEEP is defined for sources with a head of their own only."""
    found = [ranked("headless", leep=None, knn=1.0), ranked("head", leep=9.0, knn=0.0)]
    assert [each.candidate.name for each in ranking.ordered(found)] == ["headless", "head"]
    assert ranking.counted(found) == [score for score in SCORES if score != "leep"] and ranking.ordered([]) == []


def test_the_heading_says_which_scores_do_not_count():
    some = [ranked("headless", leep=None), ranked("head")]
    none = [
        ranked(name, **dict.fromkeys(scores)) for name, scores in (("a", list(SCORES)[:3]), ("b", list(SCORES)[3:]))
    ]
    for found, said in (
        (some, "without leep, which not every source has"),
        (none, "rank: none, since no score is known"),
    ):
        assert said in heading("x", ranking.Shortlist(ranking.ordered(found), ranking.counted(found), [], 10, 10))


def test_the_table_fits_80_columns():
    """With every score and its sign, a hundred minutes, and a long name."""
    made = {"scores": {score: {"source": -31.7} for score in SCORES}, "positive_votes": 3, "votes": 6}
    entry = Source(architecture="EfficientNetV2B0", weights="imagenet")
    long = ranking.Ranked(Candidate("imagenet-21k-of-another", entry, False, lambda size: None), made, 1234.5, 10.5)
    console = Console(width=80, record=True, file=io.StringIO())
    show(console, "defect", ranking.Shortlist([long], list(SCORES), [], 2000, 9000), {"imagenet-21k-of-another": 123.4})
    text = console.export_text()
    assert "…" not in text and len(max(text.splitlines(), key=len)) <= 80
    row = next(line for line in text.splitlines() if "imagenet-21k" in line)
    assert row.split()[-9:] == ["3/6", *["-31.7"] * 6, "123", "1234"]


def test_a_source_whose_features_do_not_vary_is_left_out(world, alone, monkeypatch):
    monkeypatch.setattr(
        ranking, "features_of", lambda backbone, images, examples: np.zeros((len(examples), 4), "float32")
    )
    params, paths = load_params(Paths(world.root).params), Paths(world.root)
    with contextlib.chdir(world.root):
        found = ranking.shortlist(params, paths, "defect", 1)
    assert (
        not found.ranked and ("tiny", "no score is defined: its features of these images do not vary") in found.left_out
    )


def test_published_weights_beside_a_source_of_their_architectures_name_have_another(monkeypatch):
    monkeypatch.setattr("pipeline.shortlist.candidates.APPLICATIONS", {})
    monkeypatch.setattr("pipeline.shortlist.candidates.ARCHITECTURES", ARCHITECTURES)
    own = Source(architecture="EfficientNetB0", weights="file", path="x.h5", sha256="0" * 64)
    params = SimpleNamespace(sources={"efficientnet_lite0": own}, pretrained={})
    names = [each.name for each in candidates(params, None, "defect", 64)]
    assert names[:2] == ["efficientnet_lite0", "efficientnet_lite0-imagenet"] and len(set(names)) == len(names)


def test_the_table_names_sources_that_fit_and_why_others_do_not(world, alone, capsys):
    before = digests(world.root)
    with contextlib.chdir(world.root):
        print_shortlist("defect", measure=False, console=Console(width=160))
    out = capsys.readouterr().out
    assert "tiny" in out and "backbone.keras" in out
    assert "left out: round-defect: Source 'round-defect' has seen what target 'defect' tests" in out
    assert digests(world.root) == before


def test_only_training_rows_of_a_fold_reach_the_scores(world, alone, monkeypatch):
    """Every call of the scores gets as many labels as the fold has training images."""
    params, paths, seen = load_params(Paths(world.root).params), Paths(world.root), []
    original = stage.fold_z
    monkeypatch.setattr(stage, "fold_z", lambda inputs, examples, fold, *rest: seen.append(examples) or original(
        inputs, examples, fold, *rest))  # fmt: skip
    with contextlib.chdir(world.root):
        found = ranking.shortlist(params, paths, "defect", 1)
    examples = read_parquet(paths.target("defect").examples)
    roles = [examples[f"role_{fold}"] == "train" for fold in range(params.run.folds)]
    assert all(set(table["image_id"]) == set(examples["image_id"][np.logical_or.reduce(roles)]) for table in seen)
    assert found.scored == found.images == np.logical_or.reduce(roles).sum()
    (only,) = found.ranked
    assert only.candidate.name == "tiny" and only.made["votes"] and only.rank == 1


def test_minutes_are_those_of_the_estimate(world, alone, monkeypatch):
    params, paths = load_params(Paths(world.root).params), Paths(world.root)
    keys = ("build", "trace", "step", "predict", "tune_trace", "tune_step", "tune_predict")
    entry, asked = params.sources["tiny"].model_copy(update={"weights": "random"}), []
    speed = {f"{entry.architecture} {key}": 1.0 for key in keys} | {"ready": 1.0, "head_step": 1.0, "busy": 1.0}
    monkeypatch.setattr("pipeline.commands.shortlist.measured", lambda *given: asked.append(given) or speed)
    candidate = Candidate("tiny", entry, True, lambda size: None)
    took = minutes_of(params, paths, "defect", [ranking.Ranked(candidate, {}, 1.0)], 1)
    ((measured, classes, _),) = asked
    assert classes == 2 and measured.baselines["tiny"].sha256 == entry.sha256
    assert tuned_architectures(measured) == {entry.architecture}  # else tuning is not measured
    assert took.keys() == {"tiny"} and took["tiny"] > 1


def test_data_that_are_missing_are_told_with_the_command_that_makes_them(world_copy, capsys):
    root = world_copy(targets={"new": {"dataset": "toy", "label": "kind"}}).root
    with contextlib.chdir(root):
        assert main(["shortlist", "new"]) == 2
        assert "Run `dvc repro split@new`, which trains nothing" in capsys.readouterr().err
        assert main(["shortlist", "defekt"]) == 2
        assert "No target 'defekt' in params.yaml (did you mean 'defect'?)" in capsys.readouterr().err


def test_no_source_that_fits_is_an_error(world, monkeypatch):
    monkeypatch.setattr(ranking, "candidates", lambda *_: [])
    with pytest.raises(InputError, match="No source fits target 'kind'"), contextlib.chdir(world.root):
        print_shortlist("kind", measure=False)
