"""The commands store and plan, on the miniature run."""

import io
from types import SimpleNamespace

import builders
import pytest
from rich.console import Console

from pipeline.commands import plan, store
from pipeline.config.loading import load_params
from pipeline.results.result import details_of, read_result
from pipeline.store.files import write_json
from pipeline.store.kept import Store
from pipeline.store.paths import Paths
from pipeline.verdict.planning import smallest_detectable_gain


def printed(root):
    console = Console(file=io.StringIO(), width=160)
    plan.print_plan(root, console)
    return console.file.getvalue()


def test_the_plan_has_the_gains_that_the_measured_variances_give(world):
    result = read_result(Paths(world.root).question("to-defect").result)
    parts = details_of(result).verdicts[result.arm].components
    family = 3  # questions that are no controls
    expected = smallest_detectable_gain(parts, 0.05 / family, 5)
    (row,) = [line for line in printed(world.root).splitlines() if line.startswith("to-defect ")]
    assert f" {expected:.3f} " in row and "*" not in row


def test_minutes_are_those_of_the_trainings_in_the_store(world):
    params, kept = load_params(world.root / "params.yaml"), Store(Paths(world.root).store)
    seconds = plan.seconds_of_cells(kept)
    assert set(seconds) >= {"head@to-defect", "tune@to-defect", "scratch@defect-tiny"}
    expected = sum(seconds[f"{stage}"] for stage in ("head@to-defect", "tune@to-defect", "scratch@defect-tiny"))
    workers = plan.trainings_at_once(params.run)
    found = plan.minutes(params, params.questions["to-defect"], seconds, 5)
    assert found == pytest.approx(expected * 5 * params.run.folds / workers / 60)
    assert plan.minutes(params, params.questions["to-defect"], {}, 5) is None


def test_before_a_run_the_plan_says_that_it_guesses(toy):
    text = printed(toy)
    assert "to-defect *" in text and "* a guess" in text and "Minutes are known once" in text


def test_store_says_what_it_holds_and_prunes(world_copy):
    paths = Paths(world_copy().root)
    count = len(Store(paths.store).entries())
    assert store.describe(paths, 10).startswith(f"store: {count} results, ")
    assert store.prune(paths, 0).startswith(f"store: {count} results (") and store.describe(paths, 10) == "store: empty"


def test_the_plan_names_gains_that_are_not_practically_detectable(tmp_path):
    """Of the questions that params have, by the reason that the last report gives."""
    reason = "repeats_needed: a gain of 0.05 is not practically detectable (more than 10 times the repeats or groups)"
    tiny = builders.transfer(builders.verdict(evidence="inconclusive", reasons=(reason,)))
    results = {"tiny": tiny, "gone": tiny, "sure": builders.transfer()}
    params = SimpleNamespace(questions=dict.fromkeys(("tiny", "sure", "new")))
    assert plan.impractical_questions(params, Paths(tmp_path)) == []
    write_json(Paths(tmp_path).report_metrics, builders.run_of(results).metrics())
    assert plan.impractical_questions(params, Paths(tmp_path)) == ["tiny (+0.050)"]
