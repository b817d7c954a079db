"""What the pages say of one transfer, adaptation or control, and of the data and sources, as text and tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.frame.params import Params
from pipeline.reporting.sentences import number, spaced, spending
from pipeline.reporting.summary import ADAPTATION, REPEAT
from pipeline.reporting.tables import (
    ARMS,
    Table,
    arms_table,
    candidates_table,
    forecast_table,
    gains_table,
    spending_table,
)
from pipeline.verdict.controls import RULES

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """One section of the report; `figures` are pairs of SVG text and caption, for pages that can show them."""

    title: str
    intro: str
    warnings: list[str]
    tables: list[Table]
    notes: list[str]
    figures: list[tuple[str, str]]


def section(
    name: str, entry: Object, verdict: Object, clocks: Object, forecast: Object | None, figures: list[tuple[str, str]]
) -> Section:
    """The section of one entry of metrics.json.

    Args:
        verdict: the content of its verdict.json. clocks: its part of cost.json.
        forecast: the content of its forecast.json; only a transfer has one.
    """
    tables = [arms_table(entry), gains_table(entry, verdict), spending_table(entry, clocks, verdict.get("attribution"))]
    if forecast is not None:
        tables.append(forecast_table(forecast))
    if "candidates" in verdict:
        tables.append(candidates_table(verdict))
    reasons = list(verdict["verdicts"][verdict["arm"]]["reasons"])
    return Section(
        name, _intro(entry), _warnings(entry, verdict), tables, [*_notes(entry, verdict, forecast), *reasons], figures
    )


def _intro(entry: Object) -> str:
    control = _of_control(entry) if "control" in entry else ""
    if entry["kind"] == REPEAT:
        return f"{control}Baseline {entry['again']} against baseline {entry['baseline']} of {entry['target']}."
    what = f"{control}{entry['setting'].capitalize()} transfer from {entry['source']} to {entry['target']}"
    if entry["kind"] == ADAPTATION:
        return (
            f"{what}, whose labels only the arm target supervised sees: "
            "the source with its own head, as it is and adapted to the target's images."
        )
    spent = entry["compute"]
    return (
        f"{what}, baseline {entry['baseline']}. The transfer took {spent['transfer_gflops']:,.0f} GFLOPs, training "
        f"from scratch {spent['scratch_gflops']:,.0f}: {spending(spent['saved'])}{_pretraining(spent)}."
    )


def _of_control(entry: Object) -> str:
    return f"A control ({spaced(entry['control'])}), expected: {RULES[entry['control']].expected}. "


def _pretraining(spent: Object) -> str:
    gflops = spent["pretraining_gflops"]
    if not gflops:
        return ""
    return (
        f". Making the source had taken {gflops:,.0f} GFLOPs before, which are not in this figure; with its part of "
        f"them, {spent['pretraining_share_gflops']:,.0f}, it is {spending(spent['saved_amortised'])}"
    )


def _equal_quality(cost: Object) -> str:
    if cost["ratio"] is None:
        return f"Cost to equal quality is undefined: {cost['reason']}."
    scratch = f"the {cost['scratch_gflops']:,.0f} that training from scratch had taken to get there first"
    if cost["reached"]:
        return f"What scratch ended with, the transfer first had for {cost['gflops']:,.0f} GFLOPs, against {scratch}."
    return f"What scratch ended with, the transfer never had, for {cost['gflops']:,.0f} GFLOPs against {scratch}."


def distrust(entry: Object) -> list[str]:
    """A warning where controls of the run failed."""
    return ["Controls of this run failed: this is not to be trusted."] if entry.get("controls") == "failed" else []


def _warnings(entry: Object, verdict: Object) -> list[str]:
    if entry.get("baseline_stopped_improving", True):
        return distrust(entry)
    stopped = verdict["stopped_improving"]["scratch"]
    return [
        *distrust(entry),
        "The baseline had not stopped improving (no better validation loss for scratch.patience epochs) when its "
        f"budget ended in {stopped.count(False)} of {len(stopped)} folds: with a larger scratch.epochs it may come "
        "closer, and the gain may shrink.",
    ]


def _notes(entry: Object, verdict: Object, forecast: Object | None) -> list[str]:
    if entry["kind"] == ADAPTATION:
        chosen = ", ".join(f"{spaced(method)} in {folds}" for method, folds in entry["methods"].items())
        return [f"Chosen without labels, by folds: {chosen}."]
    notes = [f"Epoch that was kept, of those run: {_epochs(verdict['folds'])}."]
    if "cost_to_equal_quality" in entry:
        notes.append(_equal_quality(entry["cost_to_equal_quality"]))
    if forecast is not None:
        notes.append(_forecast(forecast, entry))
    if "attribution" in verdict:
        notes.append(_third_reading(verdict["attribution"]))
    return notes


def _forecast(forecast: Object, entry: Object) -> str:
    """What was forecast and why, against what came."""
    if forecast["label"] is None:
        return "No forecast: none of the scores is defined for these features."
    outcome = {True: "which is right", False: "which is wrong", None: "which no verdict can prove"}
    return (
        f"Forecast before the transfer was trained: {forecast['label']}, {outcome[entry['forecast']['right']]}. "
        f"{forecast['reason'][0].upper()}{forecast['reason'][1:]}."
    )


def _third_reading(attribution: Object) -> str:
    """What of the gain a network has that starts from the pretrained weights' statistics alone."""
    what = "Rescaled starts from random weights with the mean and variance of the pretrained ones, tensor by tensor"
    if attribution["scaling_share"] is None:
        return f"{what}: {attribution['reason']}."
    shares = [number(attribution[f"{part}_share"], ".0%") for part in ("scaling", "features")]
    return f"{what}: {shares[0]} of the gain is scaling, {shares[1]} is features."


def _epochs(folds: Object) -> str:
    arms = {
        arm: ", ".join(f"{fold['kept_epoch']}/{fold['epochs']}" for fold in folds[arm]) for arm in ARMS if arm in folds
    }
    return "; ".join(f"{arm} {counts}" for arm, counts in arms.items())


# ---- data and sources ------------------------------------------------------------------------------------------------


def dataset_line(name: str, facts: Object) -> str:
    """What a dataset holds, and whose it is."""
    card = facts["card"]
    proxy = f" Groups are a proxy: {card['group_is_proxy']}" if card["group_is_proxy"] else ""
    return (
        f"{name}: {facts['images']:,} images, {facts['quarantined']} set aside, {facts['groups']} groups, "
        f"{facts['near_duplicates']} images with a near-duplicate (kept together). {card['title']}; {card['licence']}. "
        f"{card['citation']}{proxy}"
    )


def source_line(name: str, card: Object) -> str:
    """What a source is, and what it learnt from where it was made here."""
    made = f". {_making(card)}" if card["weights"] == "pretrained" else ""
    return (
        f"{name}: {card['architecture']}, {card['parameters']:,} parameters, from {card['origin']}; "
        f"{card['licence']}{made}."
    )


def _making(card: Object) -> str:
    labels = f"the labels {card['labels_used']}" if card["labels_used"] else "no labels"
    permuted = ", permuted" if card["permuted"] else ""
    found, cost = card["representation"], card["cost"]
    inherited = f" after {cost['inherited_gflops']:,.0f} before it" if cost["inherited_gflops"] else ""
    pretext = card.get("pretext")  # the methods that make up a task tell how well it was solved
    solved = f", its task solved in {pretext['accuracy']:.0%} (chance {pretext['chance']:.0%})" if pretext else ""
    return (
        f"Made here by {card['pretrain']} from {card['init']}: {card['images']:,} images of {card['dataset']}, {labels}"
        f"{permuted}{solved}; {cost['images_seen']:,} images seen, {cost['gflops']:,.0f} GFLOPs{inherited}. Its "
        f"features: effective rank {number(found['rank'], '.1f')}, variance {number(found['variance'], '.4f')}, "
        f"not collapsed ({card['citation']})"  # one that collapsed is refused before it has a card
    )


def run_line(params: Params) -> str:
    """The protocol, in one sentence."""
    run = params.run
    return (
        f"{run.folds} folds, protocol {run.protocol}, {run.image_size} pixels a side, augmentation {run.augmentation}, "
        f"seed {run.seed}. Every image was tested once; nothing was chosen on tested images."
    )
