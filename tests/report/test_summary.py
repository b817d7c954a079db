"""A run from its questions: Holm over those that are asked, controls, forecasts, and what pretraining took."""

import contextlib
import copy
import json

import builders
import pytest
import tiny_world
from dvc.cli import main
from dvc.repo import Repo
from hypothesis import given
from hypothesis import strategies as st
from scmrepo.git import Git

from pipeline.config.loading import check_params
from pipeline.report.summary import (
    adjusted,
    amortised,
    checked,
    group_of,
    headlines,
    pretraining,
    score,
    share_of_gain,
    summarise,
    with_controls,
)
from pipeline.results.result import Compute
from pipeline.verdict.holm import holm

# ---- evidence --------------------------------------------------------------------------------------------------------


def questions(p, **fields):
    """Transfers with these p-values, at equal compute half of them."""
    return {
        name: builders.transfer(builders.verdict(p=value), builders.verdict(p=value / 2), **fields)
        for name, value in p.items()
    }


@given(p=st.lists(st.floats(0.001, 1), min_size=1, max_size=5))
def test_p_is_adjusted_for_the_number_of_questions_but_not_of_controls_and_parts(p):
    p = {f"q{index}": value for index, value in enumerate(p)}
    outside = questions({"control": 0.001}, control="planted_positive") | questions({"part": 0.001}, part_of="q0")
    found = adjusted(questions(p) | outside)
    assert {name: found[name].p_holm for name in p} == pytest.approx(holm(p))
    halves = holm({name: value / 2 for name, value in p.items()})
    assert {name: found[name].equal_compute.p_holm for name in p} == pytest.approx(halves)
    for name in outside:
        assert found[name].p_holm is None and found[name].equal_compute.p_holm is None


def test_evidence_is_judged_by_the_adjusted_p_and_the_details_say_the_same():
    found = adjusted(questions({"a": 0.03, "b": 0.04, "c": 0.9}))
    assert [result.evidence for result in found.values()] == ["inconclusive"] * 3
    assert found["a"].details.verdicts["tuned"].p_holm == found["a"].p_holm == pytest.approx(0.09)
    assert found["a"].details.verdicts["head"].p_holm is None
    assert found["a"].details.equal_compute.p_holm == found["a"].equal_compute.p_holm


def test_adaptations_are_in_the_family_and_have_no_reading_at_equal_compute():
    found = adjusted({"a": builders.adaptation(builders.verdict(p=0.02)), **questions({"b": 0.5})})
    assert found["a"].p_holm == pytest.approx(0.04) and found["a"].equal_compute is None


@pytest.mark.parametrize(
    ("result", "group"),
    [
        (builders.transfer(), "transfers"),
        (builders.adaptation(), "adaptations"),
        (builders.transfer(control="planted_negative"), "controls"),
        (builders.rescaled(part_of="a"), "parts"),
    ],
)
def test_a_question_is_shown_in_one_place(result, group):
    assert group_of(result) == group


# ---- controls --------------------------------------------------------------------------------------------------------


def test_controls_that_hold_leave_the_others_alone():
    found, failed = with_controls({"a": builders.transfer(), "null": builders.again()})
    assert failed == [] and found["null"].held is True
    assert found["a"].held is None and {result.controls for result in found.values()} == {None}


@pytest.mark.parametrize(
    ("control", "judged", "held"),
    [
        ("planted_negative", builders.verdict(0.1), False),
        ("planted_positive", builders.verdict(-0.1), False),
        ("planted_positive", builders.verdict(None), None),
        ("null", builders.verdict(0.1), False),
    ],
)
def test_a_control_that_fails_marks_every_result(control, judged, held):
    found, failed = with_controls({"a": builders.transfer(), "x": builders.transfer(judged, control=control)})
    assert failed == ["x"] and found["x"].held is held
    assert {result.controls for result in found.values()} == {"failed"}
    assert found["x"].metrics()["held"] is held and "held" not in found["a"].metrics()


# ---- shares and forecasts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [(0.03, 0.1, 0.3), (-0.05, 0.1, -0.5), (0.1, 0.0, None), (0.1, -0.2, None), (None, 1, None)],
)
def test_a_gain_is_divided_where_it_is_above_zero(part, whole, share):
    assert share_of_gain(part, whole) == (share if share is None else pytest.approx(share))


def test_the_shares_of_the_parts_of_a_gain_sum_to_one():
    assert share_of_gain(0.03, 0.1) + share_of_gain(0.07, 0.1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("label", "gain", "correct"),
    [("positive", 0.1, True), ("negative", 0.1, False), (None, 0.1, None), ("positive", None, None)],
)
def test_a_forecast_is_held_against_the_label(label, gain, correct):
    found = checked(builders.FORECAST | {"label": label}, builders.transfer(builders.verdict(gain)).label)
    assert (found.label, found.correct, found.votes) == (label, correct, 3)


def test_the_score_leaves_out_forecasts_that_cannot_be_checked():
    outcomes = [True, False, None, True]
    found = score(
        [builders.transfer(forecast=builders.forecast(correct=each)) for each in outcomes] + [builders.again()]
    )
    assert (found.correct, found.of) == (2, 3)


# ---- what pretraining took -------------------------------------------------------------------------------------------


def cards(**gflops):
    """Cards of sources that begin from one another in the given order; None: unknown, as what begins there knows."""
    reason = "not published" if None in gflops.values() else None
    return {
        name: {
            "cost": {
                "gflops": own,
                "images_seen": own and int(10 * own),
                "backward_gflops": own and own / 2,
                "reason": reason,
            }
        }
        for name, own in gflops.items()
    }


@pytest.fixture
def params():
    """`tiny` is published; `first` begins from it, `second` from `first`; four transfers and an adaptation."""
    raw = copy.deepcopy(tiny_world.RAW)
    raw["sources"]["tiny"] = {"architecture": "MobileNetV2", "weights": "imagenet"}
    for baseline in raw["baselines"].values():
        baseline |= {"architecture": "MobileNetV2"}
    made = raw["pretrained"].pop("round-defect")
    raw["pretrained"] = {"first": made, "second": {**made, "init": "first"}}
    raw["adaptations"]["round-to-square"]["source"] = "second"
    to_kind = raw["transfers"]["to-kind"]
    raw["transfers"] |= {"one": {**to_kind, "source": "first"}, "two": {**to_kind, "source": "second"}}
    for name in ("one", "two"):
        raw["questions"][name] = {**raw["questions"]["to-kind"], "arm": f"transfers/{name}"}
    return check_params(raw)


def test_each_link_of_a_chain_is_divided_by_its_own_users(params):
    found = cards(tiny=0.0, first=30.0, second=8.0)
    expected = {"tiny": (0.0, 2, 0.0, 0), "first": (30.0, 1, 10.0, 300), "second": (38.0, 2, 8 / 2 + 30 / 3, 380)}
    for source, (gflops, users, share, images) in expected.items():
        paid = pretraining(source, found, params)
        assert (paid.gflops, paid.shared_by, paid.share_gflops, paid.images_seen) == (gflops, users, share, images)
        assert paid.backward_gflops == gflops / 2 and paid.reason is None


def test_what_published_weights_took_is_unknown_and_not_nothing(params):
    found = cards(tiny=None, first=30.0, second=8.0)
    tiny, second = (pretraining(source, found, params) for source in ("tiny", "second"))
    assert (tiny.gflops, tiny.share_gflops, tiny.reason) == (None, None, "not published")
    assert (second.gflops, second.share_gflops, second.reason) == (38.0, 8 / 2 + 30 / 3, "not published")
    spent = Compute(arms={}, transfer_gflops=50.0, scratch_gflops=100.0, saved=0.5)
    for once in (tiny, second):
        compute = amortised(spent, once, 5)
        assert compute.saved == 0.5 and compute.pretraining.reason
        assert compute.saved_amortised is None and compute.amortised_gflops is None


def test_the_shares_of_all_users_are_what_was_paid(params):
    found = cards(tiny=0.0, first=30.0, second=8.0)
    users = [entry.source for entry in (*params.transfers.values(), *params.adaptations.values())]
    assert sum(pretraining(source, found, params).share_gflops for source in users) == pytest.approx(38.0)


def test_a_share_counts_against_what_was_saved():
    spent = Compute(arms={}, transfer_gflops=50.0, scratch_gflops=100.0, saved=0.5)
    found = amortised(spent, builders.pretraining(60.0, 15.0), 2)
    assert (found.amortised_gflops, found.saved) == (80.0, 0.5)
    assert found.saved_amortised == pytest.approx(0.2)


# ---- the whole -------------------------------------------------------------------------------------------------------


def test_a_run_has_its_results_with_all_that_is_known_of_them():
    raw = copy.deepcopy(tiny_world.RAW)
    raw["sources"]["tiny"] = {"architecture": "MobileNetV2", "weights": "imagenet"}
    for baseline in raw["baselines"].values():
        baseline |= {"architecture": "MobileNetV2"}
    results = {
        "to-defect": builders.transfer(),
        "to-kind": builders.transfer(builders.verdict(-0.02, 0.5)),
        "round-to-square": builders.adaptation(source="round-defect"),
        "defect-null": builders.again(),
    }
    forecasts = dict.fromkeys(("to-defect", "to-kind"), builders.FORECAST)
    found = summarise(results, forecasts, {**cards(tiny=40.0), **cards(**{"round-defect": 5.0})}, check_params(raw))
    assert (found.facts.controls, found.facts.failed_controls) == ("held", [])
    assert (found.facts.forecasts["transfers"].correct, found.facts.forecasts["transfers"].of) == (1, 2)
    assert found.facts.forecasts["controls"].of == 0
    assert found.results["to-defect"].compute.pretraining.shared_by == 2
    assert found.results["round-to-square"].compute.pretraining.share_gflops == pytest.approx(5.0 + 40.0 / 3)
    assert found.results["defect-null"].compute.pretraining is None


# ---- verdicts.json ---------------------------------------------------------------------------------------------------


def run_of(names, evidence, gain, controls):
    """A run with a result a name; every second one has no `saved`."""
    saved = [builders.COMPUTE.model_copy(update={"saved": gain / 3}), Compute(arms={})]
    label = "positive" if gain > 0 else "negative"
    results = {
        name: builders.transfer(label=label, evidence=evidence, gain=gain, compute=saved[at % 2])
        for at, name in enumerate(names)
    }
    return builders.run_of(results, controls=controls)


def test_verdicts_json_is_label_evidence_gain_and_compute_saved():
    assert headlines(run_of(["a", "b"], "conclusive", 0.3, "held")) == {
        "a": {"label": "positive", "evidence": "conclusive", "gain": 0.3, "saved": pytest.approx(0.1)},
        "b": {"label": "positive", "evidence": "conclusive", "gain": 0.3},
        "run": {"controls": "held"},
    }


def test_dvc_metrics_diff_shows_every_flip_of_nine_questions_on_one_screen(tmp_path, capsys):
    """Everything changes that can."""
    file = tmp_path / "verdicts.json"
    names = [f"a-question-with-a-long-name-{index}" for index in range(9)]
    with contextlib.chdir(tmp_path):
        git = Git.init(".")
        Repo.init(".")
        file.write_text(json.dumps(headlines(run_of(names, "inconclusive", 0.0123456789, "held"))))
        git.add(["verdicts.json", ".dvc"])
        git.commit("before")
        git.close()
        file.write_text(json.dumps(headlines(run_of(names, "equivalent", -0.123456789, "failed"))))
        capsys.readouterr()
        assert main(["metrics", "diff", "--targets", "verdicts.json", "--no-path", "--precision", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 80
    for name in names:
        assert [line.split() for line in lines if line.startswith(f"{name}.label ")] == [
            [f"{name}.label", "positive", "negative", "-"]
        ]
        assert any(line.split()[:3] == [f"{name}.gain", "0.012", "-0.123"] for line in lines)
    assert ["run.controls", "held", "failed", "-"] in [line.split() for line in lines]
