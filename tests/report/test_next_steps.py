"""Next steps: every command parses, and what it names can be followed."""

import shlex

import builders
import pytest
from test_cards import EQUAL, FROZEN, LOSS, OPEN, WEAK, advice

from pipeline.cli import command_parser
from pipeline.report.next_steps import next_steps

NEEDS = builders.verdict(**WEAK, repeats_needed=5)


def steps(result, looks=(), **others):
    run = builders.run_of({"a": result, **others})
    run = run.model_copy(update={"facts": run.facts.model_copy(update={"looks": list(looks)})})
    return [(step.text, step.command) for step in next_steps("a", run)]


def predicted(result, **others):
    """What the last command predicts by."""
    words = shlex.split(steps(result, **others)[-1][1])
    assert words[:4] == ["python", "-m", "pipeline", "predict"]
    return words[4]


EVERY = [builders.transfer(), OPEN, EQUAL, builders.transfer(LOSS), builders.transfer(NEEDS), builders.adaptation()]
EVERY += [builders.transfer(baseline_stopped_improving=False), builders.transfer(advice=advice(-0.03))]


@pytest.mark.parametrize("result", EVERY)
def test_every_command_parses(result):
    for looks in ((), (2, 4)):
        commands = [line for _, command in steps(result, looks) for line in command.splitlines()]
        for line in commands:
            words = shlex.split(line)
            assert words[:3] == ["python", "-m", "pipeline"]
            command_parser({}).parse_args(words[3:])
        assert commands or result.kind == "adaptation"


@pytest.mark.parametrize("result", [builders.transfer(), OPEN, EQUAL, builders.transfer(LOSS), builders.rescaled()])
def test_new_images_are_predicted_by_the_question_which_takes_the_better_side(result):
    assert predicted(result) == "a"


def test_where_another_baseline_is_better_it_predicts():
    assert predicted(builders.transfer(advice=advice(-0.03))) == "baselines/large"  # chosen in most trainings
    for open_or_lost in (NEEDS, LOSS):
        assert predicted(builders.transfer(open_or_lost, advice=advice(-0.03))) == "baselines/large"


def test_an_adaptation_is_never_predicted_by():
    """`predict` has no networks of it: a transfer to its target stands in, else a baseline, else it says so."""
    assert predicted(builders.adaptation(), other=builders.transfer()) == "other"
    control = builders.transfer(control="planted_negative", held=True)
    assert predicted(builders.adaptation(), c=control) == "baselines/defect-tiny"
    (step,) = steps(builders.adaptation())
    assert step[1] == "" and "add a transfer to defect" in step[0]


def test_an_open_question_takes_its_next_planned_look_or_gets_what_it_needs():
    planned = steps(builders.transfer(NEEDS), looks=(2, 4))[0][1]
    assert planned == "python -m pipeline more\npython -m pipeline repro"
    for looks in ((), (1, 2)):  # none, or none is left
        text, command = steps(builders.transfer(NEEDS), looks=looks)[0]
        assert "put repeats: 5 into questions.a of params.yaml" in text and "not planned" in text
        assert command == "python -m pipeline repro"
    groups = builders.verdict(**WEAK, repeats_needed=101, groups_needed=40)  # more repeats than params allow
    assert "until there are 40 groups" in steps(builders.transfer(groups))[0][0]
    assert len(steps(OPEN)) == 1  # nothing known that would decide it
    (only,) = steps(builders.transfer(builders.verdict(**WEAK, repeats_needed=101)))
    assert only[0].startswith("No run of practical size decides it")


def test_a_frozen_transfer_that_lost_may_be_fine_tuned():
    text, command = steps(builders.transfer(LOSS, **FROZEN, details=None))[0]
    assert "Only frozen features were tried" in text and "questions.a" in text
    assert command == "python -m pipeline repro"


def test_nothing_is_decided_that_is_not_practically_detectable():
    reasons = ("repeats_needed: a gain of 0.05 is not practically detectable (more than 10 times)",)
    (step,) = steps(builders.transfer(builders.verdict(**WEAK, reasons=reasons)), looks=(2, 4))
    assert step[0].startswith("No run of practical size decides it")


def test_a_baseline_that_was_cut_short_comes_first():
    texts = [text for text, _ in steps(builders.transfer(baseline_stopped_improving=False))]
    assert "raise scratch.epochs" in texts[0] and len(texts) == 2
    assert len(steps(builders.transfer(LOSS, baseline_stopped_improving=False))) == 1  # it would lose by more


@pytest.mark.parametrize(
    ("fields", "words"), [({"gain": None}, "See its reasons"), ({"controls": "failed"}, "Find out why the controls")]
)
def test_what_cannot_be_relied_on_gets_no_command(fields, words):
    (step,) = steps(builders.transfer(**fields))
    assert step[0].startswith(words) and step[1] == ""
