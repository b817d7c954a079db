"""Tables of the report: what was paid once stands apart, clocks beside what they timed, choices beside the truth."""

import pytest
from pipeline.reporting.tables import candidates_table, gains_table, spending_table

CLOCK = {"seconds": 10.0, "cpu_seconds": 19.6, "peak_memory_mb": 1234.5, "device": "cpu"}
ENTRY = {
    "arms": dict.fromkeys(("head", "tuned", "scratch")),
    "compute": {
        "pretraining_gflops": 3000.0,
        "pretraining_backward_gflops": 1900.0,
        "pretraining_share_gflops": 1500.0,
        "pretraining_shared_by": 2,
        "pretraining_images_seen": 5000,
        "pretraining_reason": None,
        "extract_gflops": 400.0,
        "head_gflops": 30.0,
        "tuned_gflops": 600.0,
        "scratch_gflops": 9000.0,
        "backward_gflops": {"head": 10.0, "tuned": 250.0, "scratch": 5900.0},
        "sweep_gflops": {"head": 20.0, "tuned": 0.0, "scratch": 4500.0},
        "images_seen": {"head": 1000, "tuned": 2000, "scratch": 3000},
    },
}
CLOCKS = dict.fromkeys(("pretrain", "extract", "head", "tune", "scratch"), CLOCK)


def rows(entry, clocks=CLOCKS):
    table = spending_table(entry, clocks)
    titles = [column.title for column in table.columns]
    return {row[0]: dict(zip(titles[1:], row[1:], strict=True)) for row in table.rows}


def test_what_was_paid_once_stands_apart_with_the_part_that_falls_on_this_transfer():
    found = rows(ENTRY)
    source = found["the source (before, and not counted as spent)"]
    told = ("GFLOPs", "of them backward", "images seen")
    assert [source[title] for title in told] == ["3,000", "1,900", "5,000"]
    assert found["the source, shared by 2: one part"]["GFLOPs"] == "1,500"
    alone = ENTRY | {"compute": ENTRY["compute"] | {"pretraining_share_gflops": 3000.0, "pretraining_shared_by": 1}}
    assert not [what for what in rows(alone) if "shared" in what]


@pytest.mark.parametrize(
    ("gflops", "images", "shown"),
    [(None, None, ["unknown"] * 3), (3000.0, 5000, ["3,000 + unknown", "3,000 + unknown", "5,000 + unknown"])],
)
def test_a_source_of_which_nobody_says_what_it_took_is_unknown_and_not_free(gflops, images, shown):
    paid = {f"pretraining_{what}gflops": gflops for what in ("", "share_", "backward_")}
    paid["pretraining_images_seen"] = images
    found = rows(ENTRY | {"compute": ENTRY["compute"] | paid | {"pretraining_reason": "nobody says"}})
    source = found["the source (before, and not counted as spent)"]
    assert [source[title] for title in ("GFLOPs", "of them backward", "images seen")] == shown


@pytest.mark.parametrize(
    ("arm", "backward", "swept"), [("head", "10", "20"), ("tuned", "250", "0"), ("scratch", "5,900", "4,500")]
)
def test_an_arm_tells_its_backward_part_its_sweep_and_its_clock(arm, backward, swept):
    row = rows(ENTRY)[arm]
    assert row["of them backward"] == backward
    assert row["of them in settings not kept"] == swept
    assert (row["seconds"], row["CPU-seconds"], row["peak memory (MB)"], row["device"]) == ("10", "20", "1,234", "cpu")


def test_extracting_and_forecasting_go_forward_only():
    found = rows(ENTRY | {"forecast": {"gflops": 70.0}}, CLOCKS | {"forecast": CLOCK})
    extract, forecast = (next(row for what, row in found.items() if what.startswith(of)) for of in ("extr", "forec"))
    assert (extract["of them backward"], forecast["of them backward"], forecast["GFLOPs"]) == ("0", "0", "70")


def test_a_gpu_that_was_there_but_unused_is_said_beside_the_device():
    idle = CLOCKS | {"tune": CLOCK | {"idle_gpus": ["NVIDIA A"]}, "head": CLOCK | {"idle_gpus": []}}
    found = rows(ENTRY, idle)
    assert (found["tuned"]["device"], found["head"]["device"]) == ("cpu (a GPU was idle)", "cpu")


def test_a_candidate_of_an_adaptation_is_named_by_its_method_and_strength():
    numbers = {"criterion": 0.25, "balanced_accuracy": 0.625, "folds_chosen": 1}
    table = candidates_table(
        {
            "candidates": [
                {"method": "source_only", "strength": None} | numbers,
                {"method": "deep_coral", "strength": 0.5} | numbers | {"folds_chosen": 2},
            ]
        }
    )
    assert table.rows == [["source only", "0.250", "0.625", "1"], ["deep coral, 0.5", "0.250", "0.625", "2"]]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_candidates_tell_their_accuracy_too_where_it_was_told():
    row = {"method": "mcc", "strength": None, "criterion": 0.25, "balanced_accuracy": 0.625, "folds_chosen": 1}
    titles = {}
    for accuracy in ({}, {"accuracy": 0.7}):
        table = candidates_table({"candidates": [row | accuracy]})
        titles[len(table.rows[0])] = [column.title for column in table.columns]
    assert titles[5][3] == "accuracy, told after the choice" and table.rows[0][3] == "0.700"
    assert len(titles[4]) == 4


def test_an_inconclusive_gain_tells_the_images_and_folds_that_would_have_shown_it():
    judged = {
        "gain": 0.02, "ci_low": -0.01, "ci_high": 0.05, "evidence": "inconclusive",
        "p": 0.04, "p_holm": None, "p_mcnemar": None,
        "smallest_detectable_gain": 0.05, "images_needed": 12_500, "folds_needed": 19,
    }  # fmt: skip
    sure = judged | {"evidence": "conclusive", "images_needed": None, "folds_needed": None}
    # by its own p the last arm is conclusive; after Holm's adjustment it is not, and that is what counts
    arms = {"verdicts": {"head": sure, "tuned": sure}, "equal_compute": sure}
    verdict = {"arm": "tuned", "against": "scratch", **arms}
    adjusted = judged | {"p_holm": 0.08}
    table = gains_table(adjusted | {"equal_compute": adjusted}, verdict)
    assert table.columns[-1].title.startswith("would need") and "both together" in table.columns[-1].title
    needed = "12,500 images in 19 folds"
    assert [(row[2], row[4], row[-1]) for row in table.rows] == [
        ("conclusive (by its own p)", "-", "-"), ("inconclusive", "0.08", needed), ("inconclusive", "0.08", needed)
    ]  # fmt: skip
    control = gains_table(judged | {"equal_compute": judged, "control": "planted_negative"}, verdict)
    assert [row[2] for row in control.rows] == ["conclusive", "inconclusive", "inconclusive"]
