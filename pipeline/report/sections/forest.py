"""Forest plot: the gains of all questions and controls on one axis."""

import pandas as pd

from pipeline.report.answers import gain_tone
from pipeline.report.content import Figure, Section
from pipeline.report.data import ReportData
from pipeline.report.figures import forest_plot
from pipeline.report.language import say
from pipeline.report.number_line import Gain, number_line, sure, tone_of, widest
from pipeline.report.plot_rows import EQUAL_COMPUTE, gain_rows
from pipeline.report.summary import conclusive, questions
from pipeline.report.words import level, metric_name
from pipeline.results.run import Run

FILE = "gain.svg"  # beside the report


def sections(data: ReportData) -> list[Section]:
    """The section; the page draws the gains at the size of the screen, Markdown shows the file."""
    run = data.run
    rows = gain_rows(run)
    drawn = Figure(caption(run), svg=svg(rows, run), file=FILE)
    return [Section(say("All gains on one axis"), [drawn])]


def file(run: Run) -> str:
    """The content of the file."""
    return forest_plot(gain_rows(run), run.facts.metric)


def svg(rows: pd.DataFrame, run: Run) -> str:
    """A row a gain; longer intervals of controls end in an arrow, so that they do not squeeze the findings."""
    gains = [_gain(name, reading, run) for name, reading in zip(rows["question"], rows["reading"], strict=True)]
    findings = [gain for gain in gains if gain.tone != "control"] or gains
    reach = widest([gain.interval for gain in findings])
    reach = max(reach, *(abs(gain.interval.gain or 0.0) for gain in gains), 0.0)
    return number_line(gains, reach, run.facts.margin, run.facts.metric, say("All gains on one axis"))


def _gain(name: str, reading: str, run: Run) -> Gain:
    result, equal = run.results[name], run.results[name].equal_compute
    if result.control:
        return Gain(say("{name} (control)", name=name), result, "control")
    if reading == EQUAL_COMPUTE and equal is not None:
        return Gain(say("at equal compute"), equal, tone_of(equal), sure(equal))
    return Gain(name, result, gain_tone(result, run.facts), sure(result), main=True)


def caption(run: Run) -> str:
    """What is seen, then how to read it."""
    asked = questions(run)
    seen = say(
        "Conclusive gains or losses: {sure} of {all} questions. Filled points are conclusive, open ones are not.",
        sure=len(conclusive(asked)),
        all=len(asked),
    )
    how = say(
        "Each gain in {metric} has its {level} interval, against scratch at the end of its training, against what "
        "scratch had reached for the same compute, and of adaptations against the unadapted source. Controls, in grey, "
        "are no findings; an arrow is an interval that goes on.",
        metric=metric_name(run.facts.metric),
        level=level(run.facts.level),
    )
    return f"{seen} {how}" if asked else how
