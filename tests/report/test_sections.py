"""Sections: claims with their numbers; unknown, not comparable and untrusted values are named as such."""

import builders
import pytest
from drawn_report import CLOCKS, disputed, everything, study

from pipeline.report import drawings, words
from pipeline.report.content import Figure, Paragraph, Table, Toned
from pipeline.report.data import ReportData
from pipeline.report.language import speaking
from pipeline.report.sections import (
    all_sections,
    attribution,
    controls,
    costs,
    labels,
    overview,
    question,
    sources,
    transfers,
)
from pipeline.report.spending import clock_sentence, compute_sentences, spending_table
from pipeline.results.result import EqualQuality

# ---- overview --------------------------------------------------------------------------------------------------------


def test_the_first_line_names_the_controls_or_what_their_failure_means():
    control = builders.transfer(control="planted_negative", held=True)
    line = controls.controls_line(builders.run_of({"a": control, "b": control}, "held"))
    assert (line.text, line.role) == ("The controls held (a, b).", "held")
    assert "no controls" in controls.controls_line(builders.run_of({"a": builders.transfer()})).text
    failed = {"a": control.model_copy(update={"held": False}), "b": control}
    line = controls.controls_line(builders.run_of(failed, "failed"))
    assert line.role == "failed" and "cannot be trusted" in line.text
    assert "a: expected negative, found positive: " in line.text and "b: " not in line.text


def test_a_control_that_held_by_its_sign_alone_is_weak_evidence():
    names = ("planted_negative", "planted_positive", "null")
    held = {name: builders.transfer(control=name, held=True, evidence="inconclusive") for name in names}
    assert controls.controls_line(builders.run_of(held, "held")).text == (
        "The controls held (planted_negative, planted_positive by sign, not conclusively; null)."
    )


def test_the_leading_table_has_adjusted_p_and_of_controls_their_own():
    results = {
        "n": builders.again(p_holm=None),
        "a": builders.transfer(p_holm=0.5),
        "p": builders.rescaled(part_of="a"),
    }
    rows = overview.leading_table(builders.run_of(results)).rows
    assert [(row[0], row[1], row[-2], row[-1]) for row in rows] == [("a", "-", "0.5", "50%"), ("n", "null", "0.6", "-")]


def test_a_label_that_is_not_conclusive_is_in_brackets_and_has_no_colour():
    weak = builders.transfer(builders.verdict(evidence="inconclusive", not_worse=True))
    rows = overview.leading_table(builders.run_of({"a": weak, "b": builders.transfer()})).rows
    labels_of = {row[0]: row[5] for row in rows}
    assert labels_of == {"a": "(positive)", "b": "positive"}
    assert [isinstance(label, Toned) for label in labels_of.values()] == [False, True]
    assert "inconclusive (not worse)" in rows[0]
    assert question.claim(weak, "accuracy").startswith("Positive, inconclusive (not worse): gain +0.050 ")


RIGHT, WRONG = builders.forecast(), builders.forecast("negative", correct=False)
OPEN = builders.transfer(builders.verdict(evidence="inconclusive"), forecast=RIGHT)


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (
            {"a": OPEN, "b": builders.transfer(forecast=RIGHT), "c": builders.transfer(forecast=WRONG, control="null")},
            "Of conclusive verdicts they were correct for 1 of 1 transfers and 0 of 1 controls.",
        ),
        ({"a": OPEN, "b": builders.transfer()}, "No verdict that could check them is conclusive."),
    ],
)
def test_forecasts_are_scored_on_conclusive_verdicts_and_apart_on_all_signs(results, words):
    run = builders.run_of(results, forecasts=((2, 2), (0, 0)))
    (section,) = overview.sections(ReportData(run))
    (text,) = [block.text for block in section.blocks if isinstance(block, Paragraph) and block.term == "Forecasts"]
    assert words in text and text.endswith("Signs alone, also those that decide nothing, agree for 2 of 2 transfers.")
    (section,) = overview.sections(ReportData(builders.run_of(results)))
    assert not any(block.term == "Forecasts" for block in section.blocks if isinstance(block, Paragraph))


def test_the_overview_says_what_is_estimated_and_what_each_word_of_evidence_means():
    section = overview.sections(ReportData(builders.run_of({"a": builders.transfer()})))[0]
    terms = {block.term: block.text for block in section.blocks if isinstance(block, Paragraph) and block.term}
    assert "given this source and this pool of images" in terms["Estimate"]
    for word in ("conclusive: not zero at level 0.05", "within 0.01 either way", "ends above -0.01"):
        assert word in terms["Evidence"]


# ---- the other tables ------------------------------------------------------------------------------------------------


def test_transfers_have_their_other_readings():
    result = builders.transfer(smallest_detectable_gain=0.2, detectable_alone=0.1, forecast=builders.forecast())
    table = transfers.table({"a": result})
    row = dict(zip([column.title for column in table.columns], table.rows[0], strict=True))
    assert row == {
        "transfer": "a", "baseline": "defect-tiny", "gain at equal compute": "+0.040 [+0.010, +0.090]",
        "smallest detectable gain": "0.200", "alone": "0.100",
        "forecast": "positive (correct)",
    }  # fmt: skip


def test_costs_are_counted_with_and_without_pretraining_and_by_the_clock():
    priced = builders.COMPUTE.model_copy(update={"pretraining": builders.pretraining(), "saved_amortised": -1.5})
    unknown = builders.COMPUTE.model_copy(update={"pretraining": builders.pretraining(None, None, reason="not said")})
    results = {"a": builders.transfer(compute=priced), "b": builders.transfer(compute=unknown)}
    rows = costs.table(results, {"a": CLOCKS | {"scratch": builders.CLOCK | {"seconds": 120.0}}}).rows
    assert rows == [["a", "50%", "-150%", "0.30", "75%"], ["b", "50%", "unknown", "0.30", "-"]]
    assert len(costs.table(results, {}).rows[0]) == 4


def test_controls_say_what_was_compared_and_expected():
    planted = builders.transfer(control="planted_positive", held=True)
    rows = controls.table({"a": planted, "n": builders.again(held=None)}).rows
    assert rows[0] == ["a", "tiny to defect", "positive", "positive, conclusive", "yes"]
    assert rows[1][1:3] == ["defect-again with defect-tiny", "nothing conclusive"] and rows[1][-1] == "undefined"


@pytest.mark.parametrize(
    ("fields", "held", "found"),
    [
        ({"evidence": "equivalent"}, True, "no difference beyond the margin (as expected)"),
        ({"evidence": "inconclusive"}, True, "nothing conclusive (as expected)"),
        ({"evidence": "conclusive"}, False, "positive, conclusive"),
        ({"gain": None}, None, "no label"),
    ],
)
def test_a_null_control_is_told_as_what_it_shows_and_not_by_its_sign(fields, held, found):
    null = builders.again(builders.verdict(**{"gain": 0.008} | fields), held=held)
    assert controls.table({"n": null}).rows[0][3] == found
    planted = builders.transfer(builders.verdict(evidence="equivalent"), control="planted_positive", held=True)
    assert question.claim(planted, "accuracy").startswith("No difference beyond the margin (equivalent): gain +0.050")


def test_a_gain_is_attributed_to_its_parts():
    parts = {
        "scaling": builders.rescaled(part_of="a", share=0.4),
        "features": builders.transfer(part_of="a", share=0.6, against="rescaled"),
    }
    assert attribution.answers(parts) == ["a: of its gain, 40% scaling and 60% features."]
    assert [row[-1] for row in attribution.table(parts, 0.05).rows] == ["40%", "60%"]
    parts["scaling"] = builders.rescaled(part_of="a")
    assert "not above zero" in attribution.answers(parts)[0]


def test_a_study_claims_what_is_saved_where_labels_are_scarcest():
    claim = "Tuned with 5% of the labels: to match it, scratch needs 2.0 times the labels [< 1.0, > 20.0]."
    assert labels.answers(study()) == [claim]
    table = labels.table(study(), 0.05)
    assert [row[-1] for row in table.rows] == ["2.0 times the labels [< 1.0, > 20.0]", "> 20.0 times the labels"]
    assert all(len(row) == len(table.columns) for row in table.rows) and set(table.terminal) <= {
        c.title for c in table.columns
    }


def test_a_study_is_not_to_be_trusted_where_controls_failed_and_says_why_it_has_no_intervals():
    run = builders.run_of({}, studies={"s": study(controls="failed", reason="one fold"), "t": study()})
    failed, held = (
        [block.text for block in section.blocks if isinstance(block, Paragraph)]
        for section in labels.sections(ReportData(run))
    )
    assert "not to be trusted" in failed[0] and "There are no intervals: one fold." in failed
    assert not [text for text in held if "trusted" in text or "no intervals" in text]


# ---- one question ----------------------------------------------------------------------------------------------------


def spending(result, clocks=CLOCKS):
    table = spending_table(result, clocks)
    titles = [column.title for column in table.columns]
    return {row[0]: dict(zip(titles[1:], row[1:], strict=True)) for row in table.rows}


def paid(**fields):
    compute = builders.COMPUTE.model_copy(update={"pretraining": builders.pretraining(**fields)})
    return builders.transfer(compute=compute)


def test_pretraining_stands_apart_with_the_share_of_this_question():
    found = spending(paid(gflops=3000.0, share=1500.0))
    source = found["pretraining (not counted as spent)"]
    assert [source[title] for title in ("GFLOPs", "backward", "images seen")] == ["3,000", "1,500", "600"]
    assert found["share of pretraining, used by 2"]["GFLOPs"] == "1,500"
    assert not [what for what in spending(paid(gflops=30.0, share=30.0)) if "share" in what]


@pytest.mark.parametrize(
    ("gflops", "what", "shown"),
    [(None, "not published", "unknown"), (3000.0, "not counted as spent", "3,000 + unknown")],
)
def test_pretraining_of_unknown_cost_is_unknown_and_not_free(gflops, what, shown):
    """The clock of `source` is that of reading published weights, not of their training."""
    found = spending(paid(gflops=gflops, share=gflops, reason="not published"), CLOCKS | {"source": builders.CLOCK})
    row = found[f"pretraining ({what})"]
    assert row["GFLOPs"] == shown and (row["seconds"] == "") is (gflops is None)


@pytest.mark.parametrize(
    ("arm", "backward", "swept"), [("head", "10", "20"), ("tuned", "250", "0"), ("scratch", "1,500", "500")]
)
def test_an_arm_has_its_backward_part_its_sweep_and_its_clock(arm, backward, swept):
    row = spending(builders.transfer())[arm]
    assert (row["backward"], row["in settings not kept"]) == (backward, swept)
    assert (row["seconds"], row["CPU-seconds"], row["peak memory (MB)"], row["device"]) == ("10", "20", "1,234", "cpu")


def test_extracting_and_forecasting_go_forward_only():
    found = spending(builders.transfer(forecast=builders.forecast()))
    extract, forecast = found["extract (frozen layers, once a repeat)"], found["forecast (not counted as spent)"]
    assert (extract["backward"], forecast["backward"], forecast["GFLOPs"]) == ("0", "0", "70")


def test_a_gpu_that_was_there_but_unused_is_named_beside_the_device():
    idle = CLOCKS | {"tune": builders.CLOCK | {"idle_gpus": ["NVIDIA A"]}}
    found = spending(builders.transfer(), idle)
    assert (found["tuned"]["device"], found["head"]["device"]) == ("cpu (a GPU was idle)", "cpu")


@pytest.mark.parametrize(
    ("fields", "amortised", "words"),
    [
        ({"gflops": 0.0, "share": 0.0}, None, "excluded)."),
        ({"gflops": None, "share": None, "reason": "not published"}, None, "unknown (not published)."),
        (
            {"gflops": 40.0, "share": 20.0},
            0.25,
            "(20) in each repeat it is 25% less compute.",
        ),
        ({"gflops": 40.0, "reason": "not published"}, None, "cost of its initial weights is unknown (not published)."),
    ],
)
def test_what_pretraining_took_is_said_as_far_as_it_is_known(fields, amortised, words):
    update = {"pretraining": builders.pretraining(**fields), "saved_amortised": amortised}
    sentences = compute_sentences(builders.transfer(compute=builders.COMPUTE.model_copy(update=update)))
    assert sentences[0].startswith("50% less compute: the transfer took 1,000 GFLOPs, scratch 2,000")
    assert sentences[-1].endswith(words)


@pytest.mark.parametrize(("scratch", "words"), [(120.0, "75% less time"), (20.0, "50% more time")])
def test_the_transfers_own_seconds_stand_against_those_of_scratch(scratch, words):
    clocks = CLOCKS | {"scratch": builders.CLOCK | {"seconds": scratch}, "forecast": {"seconds": 1e6}}
    assert clock_sentence(clocks) == [
        f"By the clock (cpu), {words}: extract, head and tune took 30 seconds, training from scratch {scratch:.0f}."
    ]


def test_seconds_of_different_devices_are_not_compared():
    clocks = CLOCKS | {"scratch": builders.CLOCK | {"device": "gpu"}}
    assert clock_sentence(clocks) == ["Seconds are not compared: the arms ran on cpu and gpu."]
    assert clock_sentence({"adapt": builders.CLOCK}) == []


@pytest.mark.parametrize(
    ("ran", "claim"), [([10, 10, 10], "In 3 of 3 folds"), ([10, 7], "In 1 of 2 folds"), ([7], None)]
)
def test_a_fit_that_ran_to_its_end_says_that_no_longer_one_was_tried(ran, claim):
    details = builders.details({}, folds={"scratch": [{"epochs": epochs} for epochs in ran]})
    found = question.budget(details, 10)
    assert [text.split(" scratch")[0] for text in found] == ([claim] if claim else [])
    assert all("a longer one was not tried" in text for text in found)


@pytest.mark.parametrize(
    ("ratio", "reached", "words"),
    [
        (
            0.3,
            True,
            "The transfer first matched the final quality of scratch after 300 GFLOPs; scratch itself first had "
            "it after 1,000 (ratio 0.30).",
        ),
        (
            0.3,
            False,
            "The transfer did not match the final quality of scratch within 300 GFLOPs; scratch itself first had",
        ),
        (None, None, "Cost to equal quality is undefined: why."),
    ],
)
def test_the_cost_to_equal_quality_in_a_sentence(ratio, reached, words):
    cost = EqualQuality(gflops=300.0, scratch_gflops=1000.0, ratio=ratio, reached=reached, reason="why")
    assert question.equal_quality_sentence(cost, "scratch").startswith(words)


def test_a_forecast_comes_with_its_outcome_its_reason_and_its_sha256():
    result = builders.transfer(forecast=builders.forecast())
    assert question.forecast_sentence(builders.FORECAST, result, builders.SHA256) == (
        "Forecast: positive (correct). 2 of 3 scores are higher. It was made before the head was trained (sha256 "
        "01234567)."
    )
    assert question.forecast_sentence({"label": None}, result, builders.SHA256).startswith("No forecast")


def test_every_gain_is_in_the_table_with_what_it_would_need():
    needed = builders.verdict(evidence="inconclusive", repeats_needed=5, groups_needed=19, p_holm=0.08)
    table = question.gains_table(builders.transfer(needed, needed))
    assert [column.title for column in table.columns][:2] == ["arm", "gain over scratch [95% interval]"]
    assert [(row[0], row[2], row[-1]) for row in table.rows] == [
        ("head", "inconclusive (unadjusted)", "-"),
        ("tuned", "inconclusive", "5 repeats or 19 groups"),
        ("tuned, at equal compute", "inconclusive", "5 repeats or 19 groups"),
    ]
    assert len({len(row) for row in table.rows} | {len(table.columns)}) == 1
    control = question.gains_table(builders.transfer(builders.verdict(), control="planted_negative"))
    assert [row[2] for row in control.rows] == ["inconclusive", "conclusive", "conclusive"]


def test_the_interval_of_a_planned_look_is_named_by_its_level():
    table = question.gains_table(builders.transfer(looks=2, level=0.0294))
    assert table.columns[1].title == "gain over scratch [97.1% interval]"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"repeats": 1, "trainings": 3}, "3 trainings an arm."),
        ({}, "4 trainings an arm in 2 repeats."),
        ({"looks": 1, "level": 0.02}, "4 trainings an arm in 2 repeats."),
        ({"looks": 2, "level": 0.02939}, "4 trainings an arm in 2 repeats. This is planned look 2, at level 0.0294."),
    ],
)
def test_the_design_is_told_beside_the_gain(fields, words):
    result = builders.transfer(**fields)
    assert question.design(result, "look" in words) == words
    section = next(each for each in question.sections(builders.report_data({"a": result})) if each.title == "a")
    told = question.design(result, planned=False)  # as no looks are planned in this run
    assert any(told in block.text for block in section.blocks if isinstance(block, Paragraph))


def test_a_candidate_is_named_by_its_method_and_strength():
    (candidate,) = builders.adaptation().candidates
    strong = candidate.model_copy(update={"method": "deep_coral", "strength": 0.5, "folds_chosen": 0})
    table = question.candidates_table([candidate, strong])
    assert table.rows == [
        ["coral", "0.250", "0.600", "0.700", "2"],
        ["deep coral, 0.5", "0.250", "0.600", "0.700", "0"],
    ]
    short = question.candidates_table([candidate.model_copy(update={"accuracy": None})])
    assert len(short.columns) == len(short.rows[0]) == 4


def test_a_baseline_that_was_still_improving_is_warned_of():
    details = builders.details({"tuned": builders.verdict()}, stopped_improving={"scratch": [True, False]})
    (warning,) = question.warnings(builders.transfer(baseline_stopped_improving=False, details=details))
    assert warning.startswith("In 1 of 2 folds scratch was still improving when its budget ended")
    assert question.warnings(builders.transfer(controls="failed")) == [
        "Controls of this run failed: this result is not to be trusted."
    ]
    assert question.warnings(builders.adaptation()) == []


def test_failed_trainings_are_warned_of():
    (warning,) = question.warnings(builders.transfer(failed={"scratch": 1}))
    assert warning.startswith("Failed trainings: 1 of 4 of scratch. They answer one class for all images")


def test_more_repeats_after_an_unplanned_look_are_warned_of():
    (warning,) = question.warnings(builders.transfer(earlier_repeats=[1, 3]))
    assert warning.startswith("Judged before at 1, 3 repeats: more repeats after a look are a second chance")
    assert "verdict.looks" in warning


def test_warnings_stand_in_the_section_of_their_question():
    result = builders.transfer(failed={"scratch": 1}, earlier_repeats=[1], controls="failed")
    section = next(each for each in question.sections(builders.report_data({"a": result})) if each.title == "a")
    shown = [block.text for block in section.blocks if isinstance(block, Paragraph) and block.role == "warning"]
    assert shown == question.warnings(result) and len(shown) == 3


def test_figures_are_drawn_of_the_rows_that_there_are():
    result = builders.transfer()
    captions = [figure.caption for figure in drawings.drawings("a", result, builders.report_data({"a": result}))]
    assert captions == [
        "Tuned and scratch recognise every class equally often. Out-of-fold confusion matrices: shares of the true "
        "class and images.",
        "",
        "",
    ]
    full = builders.report_data(
        {"a": result}, plots={"a": {"saving": builders.saving_rows()}}, disputed={"a": disputed()}
    )
    figures = drawings.drawings("a", result, full)
    assert [bool(each.webp) for each in figures] == [False] * 4 + [True] * 2  # a sheet a side
    assert "tuned and scratch" in figures[-1].alt and "gets right" in figures[-2].caption
    with speaking("es"):
        spanish = drawings.drawings("a", result, full)[-1]
    assert spanish.webp != figures[-1].webp  # the words on the sheet too


OWN = {"title": "Images of the folder data/raw/shapes", "licence": "not stated", "citation": "none"}
PUBLISHED = {"title": "Cells", "licence": "CC BY 4.0", "citation": "A. Author. Cells. 2020."}


@pytest.mark.parametrize(
    ("card", "shown"),
    [
        (OWN, "Images of the folder data/raw/shapes; licence not stated."),
        (PUBLISHED, "Cells; CC BY 4.0. A. Author. Cells. 2020."),
        (PUBLISHED | {"citation": "none"}, "Cells; CC BY 4.0."),
    ],
)
def test_a_credit_says_what_is_stated(card, shown):
    assert words.credit(card) == shown


def test_weights_that_need_no_licence_have_none():
    card = {
        "architecture": "resnet",
        "parameters": 9,
        "origin": "random weights",
        "licence": "none",
        "weights": "random",
    }
    card["cost"] = {"reason": None}
    assert sources.source_line("random", card) == "random: resnet, 9 parameters, from random weights."
    scratch = {"licence": "weights it began with: none; images: not stated"}
    assert "from random weights; licence not stated." in sources.source_line("mine", card | scratch)
    assert "from a.keras; licence not stated." in sources.source_line(
        "own", card | {"origin": "a.keras", "licence": "not stated"}
    )


# ---- all sections ----------------------------------------------------------------------------------------------------


QUESTIONS = [
    "a",
    "lost",
    "open",
    "more",
    "never",
    "same",
    "beaten",
    "far",
    "b",
    "n",
    "null",
    "p",
    "scaling",
]  # parts of others last


def test_sections_come_in_their_order_and_every_table_is_whole():
    sections = everything()
    open_ = ["Does the transfer pay?", "All gains on one axis", "Controls", "Costs", "Labels saved: s"]
    folded = ["All questions in figures", "Transfers", "Without labels of the target", "Where gains come from"]
    folded += ["Images shared by sources and targets", "Labels that look wrong"]
    assert [section.title for section in sections] == [*open_, *folded, *QUESTIONS, "Data and sources"]
    assert [section.folded for section in sections] == [False] * len(open_) + [True] * (
        len(folded) + len(QUESTIONS) + 1
    )
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Table):
                assert block.rows and all(len(row) == len(block.columns) for row in block.rows)
                assert set(block.terminal) <= {column.title for column in block.columns}
            assert not isinstance(block, Figure) or block.svg or block.webp


def test_what_has_nothing_to_show_has_no_section():
    run = builders.run_of({"a": builders.transfer(details=None)})
    assert [section.title for section in all_sections(ReportData(run))] == [
        "Does the transfer pay?", "All gains on one axis", "Costs", "All questions in figures", "Transfers",
    ]  # fmt: skip


def test_an_explanation_stands_once():
    """Claims about a question repeat nothing that holds for all: notes and texts of general sections are unique."""
    texts = [
        block.text
        for section in everything()
        for block in section.blocks
        if isinstance(block, Paragraph) and block.role in ("note", "text") and section.title not in QUESTIONS
    ]
    assert len(texts) == len(set(texts))
