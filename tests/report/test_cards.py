"""Cards: each question once, its answer by evidence, all its gains, and what to do next."""

import builders
import pytest

from pipeline.config.schema import MOST_REPEATS
from pipeline.report.answers import answer, badge, gain_tone, outcome, tone
from pipeline.report.content import Card
from pipeline.report.data import ReportData
from pipeline.report.deciding import plan
from pipeline.report.sections import cards
from pipeline.results.result import Advice, reading_fields

FACTS = builders.run_of({}).facts
WEAK = {"evidence": "inconclusive", "ci_low": -0.02, "p": 0.3}


def advice(gain=0.03, evidence="conclusive"):
    found = builders.verdict(gain, evidence=evidence)
    return Advice(**reading_fields(found), level=0.05, baselines={"small": 1, "large": 3})


OPEN = builders.transfer(builders.verdict(**WEAK, smallest_detectable_gain=0.081))
LOSS = builders.verdict(-0.05, ci_low=-0.09, ci_high=-0.01)
EQUAL = builders.transfer(builders.verdict(0.002, evidence="equivalent"))
NO_GAIN = builders.verdict(-0.01, evidence="inconclusive", ci_low=-0.03, ci_high=0.009, p=0.3)
NEEDLESS = builders.adaptation(NO_GAIN)
CASES = [
    (builders.transfer(), "use", "Use the weights of tiny: +0.050 accuracy [+0.010, +0.090], 50% less compute."),
    (builders.adaptation(), "use", "Use tiny adapted without labels: +0.050 accuracy [+0.010, +0.090]."),
    (builders.transfer(advice=advice()), "use", "Use the weights of tiny: +0.050 accuracy [+0.010, +0.090], 50% less"),
    (
        builders.transfer(advice=advice(-0.03)),
        "beaten",
        "Don't: another network trained from scratch does better. Over",
    ),
    (
        builders.transfer(advice=advice(evidence="inconclusive")),
        "only_here",
        "Use the weights of tiny if the network has to be this one: +0.050 accuracy [+0.010, +0.090]. Whether",
    ),
    (builders.transfer(LOSS), "dont", "Don't: -0.050 accuracy [-0.090, -0.010]. Training from scratch is better."),
    (builders.adaptation(LOSS), "dont", "Don't: -0.050 accuracy [-0.090, -0.010]. The unadapted source is better."),
    (NEEDLESS, "needless", "Do not adapt: -0.010 accuracy [-0.030, +0.009]; a gain of more than 0.01 is ruled out."),
    (EQUAL, "equal", "It makes no difference: +0.002 accuracy [+0.010, +0.090], within 0.01 either way. The transfer"),
    (OPEN, "open", "Not decided: so far +0.050 accuracy [-0.020, +0.090]; this run could detect gains of 0.08."),
    (builders.transfer(gain=None), "undefined", "No verdict: the gain is undefined."),
    (
        builders.transfer(controls="failed"),
        "untrusted",
        "Not to be trusted: controls of this run failed. Found: +0.050",
    ),
]


@pytest.mark.parametrize(("result", "kind", "sentence"), CASES, ids=[kind for _, kind, _ in CASES])
def test_the_answer_is_a_sentence_by_evidence(result, kind, sentence):
    assert outcome(result, FACTS) == kind
    assert answer(result, FACTS).startswith(sentence)


def test_a_sign_alone_has_neither_the_colour_nor_the_word_of_a_finding():
    shown = [
        (OPEN, "open", "not decided (inconclusive)"),
        (builders.transfer(), "positive", "positive, conclusive"),
        (builders.transfer(controls="failed"), "open", "not to be trusted"),
        (EQUAL, "equal", "no difference in practice (equivalent)"),
        (builders.transfer(LOSS), "negative", "negative, conclusive"),
        (NEEDLESS, "equal", "no gain beyond the margin (inconclusive)"),
    ]
    assert [(tone(result, FACTS), badge(result, FACTS)) for result, _, _ in shown] == [each[1:] for each in shown]


def test_a_gain_over_one_network_keeps_its_colour_where_another_is_better():
    result = builders.transfer(advice=advice(-0.03))
    assert tone(result, FACTS) == "negative" and gain_tone(result, FACTS) == "positive"
    assert badge(result, FACTS) == "positive, conclusive, but another network is better"


def test_only_an_adaptation_is_needless_and_its_card_has_the_fixed_rule_beside_the_choice():
    """A transfer may still save compute."""
    assert outcome(builders.transfer(NO_GAIN), FACTS) == "open"
    equal = builders.verdict(0.002, ci_high=0.009, evidence="equivalent")
    assert outcome(builders.adaptation(equal), FACTS) == "needless"
    coral = builders.verdict(0.053, evidence="inconclusive", ci_low=-0.005, ci_high=0.11)
    details = builders.details({"adapted": NO_GAIN, "coral": coral}, against="source_only")
    texts = card_of(builders.adaptation(NO_GAIN, details=details)).texts
    assert texts[0].startswith(
        "The fixed rule, always CORAL in place of a choice without labels, gives +0.053 [-0.005, +0.110]: inc"
    )
    assert not any("CORAL" in text for text in card_of(NEEDLESS).texts)


FROZEN = {"arm": "head", "arms": {"head": builders.qualities(0.7), "scratch": builders.qualities(0.75)}}


@pytest.mark.parametrize(
    ("judged", "told"), [(LOSS, True), (builders.verdict(**WEAK), True), (builders.verdict(), False)]
)
def test_a_frozen_transfer_that_did_not_pay_says_that_fine_tuning_was_not_tried(judged, told):
    frozen = builders.transfer(judged, **FROZEN, details=None)
    assert answer(frozen, FACTS).endswith(" Fine-tuning was not tried.") is told
    assert any("unfreeze: 0" in text for text in card_of(frozen).texts) is not told  # once a card
    tuned = builders.transfer(judged)
    assert "not tried" not in answer(tuned, FACTS) and not any("unfreeze" in text for text in card_of(tuned).texts)


@pytest.mark.parametrize(
    ("fields", "minutes", "words"),
    [
        ({"repeats_needed": 5}, 8.4, "3 more repeats, about 25 minutes, would detect a gain of 0.05."),
        ({"repeats_needed": 5}, None, "3 more repeats would detect a gain of 0.05."),
        ({"repeats_needed": 3}, 0.1, "1 more repeat, about 1 minutes, would detect a gain of 0.05."),
        (
            {"groups_needed": 40},
            1.0,
            "Images of 40 groups in place of 10 would detect a gain of 0.05. More repeats",
        ),
        (
            {"repeats_needed": MOST_REPEATS + 1, "groups_needed": 40},
            1.0,
            "Images of 40 groups in place of 10 would detect a gain of 0.05. 101 repeats would detect",
        ),
        ({"repeats_needed": MOST_REPEATS + 1}, 1.0, "101 repeats would detect a gain of 0.05, more than the 100 that"),
        (
            {"reasons": ("repeats_needed: a gain of 0.05 is not practically detectable (more than 10 times)",)},
            1.0,
            "A difference of 0.05 is not practically detectable here",
        ),
        ({}, 1.0, ""),
    ],
)
def test_what_would_decide_an_open_question(fields, minutes, words):
    found = plan(builders.transfer(builders.verdict(**WEAK, **fields)), FACTS, minutes)
    assert found.startswith(words) and bool(found) == bool(words)
    assert plan(builders.transfer(builders.verdict(**fields)), FACTS, minutes) == ""


def card_of(result, **others):
    run = builders.run_of({"a": result, **others})
    (found,) = [block for block in cards.sections(ReportData(run))[0].blocks if getattr(block, "name", "") == "a"]
    return found


def test_a_question_has_one_card_with_all_its_gains_and_controls_have_none():
    parts = {"scaling": builders.rescaled(part_of="a", share=0.4), "n": builders.again()}
    run = builders.run_of({"a": builders.transfer(advice=advice()), "b": builders.adaptation(), **parts})
    blocks = [block for block in cards.sections(ReportData(run))[0].blocks if isinstance(block, Card)]
    assert [card.name for card in blocks] == ["a", "b"]
    for label in ("over defect-tiny", "over the best baseline", "linear probe alone"):
        assert f">{label}</text>" in blocks[0].gains
    assert ">fine-tuned alone</text>" not in blocks[0].gains  # the judged arm is the first row
    assert "of its gain, 40% scaling." in blocks[0].texts


def test_a_reader_of_the_interval_alone_is_set_right():
    """It leaves 0 out and is not conclusive, among several questions; or it rules a loss or a gain out."""
    near = builders.transfer(builders.verdict(evidence="inconclusive", p_holm=0.08, not_worse=True))
    texts = card_of(near, b=builders.transfer(p_holm=0.5)).texts
    assert any("leaves 0 out, but it is one of 2 questions" in text and "p 0.08" in text for text in texts)
    assert "A loss of more than 0.01 is ruled out." in texts
    assert not any("leaves 0 out" in text for text in card_of(near).texts)  # a single question is not adjusted
    low = card_of(builders.transfer(builders.verdict(-0.02, evidence="inconclusive", ci_low=-0.05, ci_high=0.0)))
    assert "A gain of more than 0.01 is ruled out." in low.texts


def test_cautions_stand_in_the_card():
    assert card_of(builders.transfer()).cautions == []
    result = builders.transfer(failed={"tuned": 1}, earlier_repeats=[1, 2], baseline_stopped_improving=False)
    assert card_of(result).cautions == [
        "Trainings that failed: 1 of 4 of tuned.",
        "Judged before at 1, 2 repeats, which was not planned.",
        "scratch: still improving when its budget ended.",
    ]
    needs = builders.verdict(**WEAK, repeats_needed=5)
    (caution,) = card_of(builders.transfer(needs, failed={"scratch": 3})).cautions
    assert caution.endswith("More repeats do not mend that: find out first why they fail.")


def test_the_lead_says_what_is_conclusive():
    weak, sure = builders.transfer(evidence="inconclusive"), builders.transfer()
    assert cards.evidence_line({"a": weak, "b": weak}) == "No answer is conclusive."
    assert cards.evidence_line({"a": weak, "b": sure}) == "Conclusive: b (1 of 2 answers)."
    assert cards.evidence_line({}) == ""


def test_minutes_come_from_the_clocks_of_what_is_trained_again():
    seconds = {"pretrain": 1e6, "forecast": 1e6, "head": 60.0, "scratch": 180.0}
    clocks = {step: {"seconds": took} for step, took in seconds.items()}
    result = builders.transfer(builders.verdict(**WEAK, repeats_needed=5))  # 2 repeats took 4 minutes
    data = ReportData(builders.run_of({"a": result}), cost={"a": clocks})
    assert cards.card("a", data, 0.1).plan == "3 more repeats, about 6 minutes, would detect a gain of 0.05."
