"""What the pages say of one transfer, adaptation or control, and of the data and sources, as text and tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config.params import Params
from pipeline.reporting.sentences import number, spaced, spending
from pipeline.reporting.summary import ADAPTATION, REPEAT, TRANSFER
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
CEILING = (
    "Target supervised is a linear probe, trained with the target's labels on the source's features. It is not the "
    "best that could be done with these labels: an adaptation may get further, which reads >100% of the way."
)


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
    name: str,
    entry: Object,
    verdict: Object,
    clocks: Object,
    forecast: Object | None,
    figures: list[tuple[str, str]],
    epochs: int,
) -> Section:
    """The section of one entry of metrics.json.

    Args:
        verdict: the content of its verdict.json. clocks: its part of cost.json.
        forecast: the content of its forecast.json; only a transfer has one. epochs: that scratch could have run.
    """
    tables = [arms_table(entry), gains_table(entry, verdict), spending_table(entry, clocks, verdict.get("attribution"))]
    if forecast is not None:
        tables.append(forecast_table(forecast))
    if "candidates" in verdict:
        tables.append(candidates_table(verdict))
    notes = [*_notes(entry, verdict, forecast), *_budget(verdict, epochs)]
    notes += [_seconds(clocks)] if entry["kind"] == TRANSFER else []
    notes += entry["reasons"]
    return Section(name, _intro(entry), _warnings(entry, verdict), tables, notes, figures)


def _intro(entry: Object) -> str:
    control = _of_control(entry) if "control" in entry else ""
    if entry["kind"] == REPEAT:
        return f"{control}Baseline {entry['again']} against baseline {entry['baseline']} of {entry['target']}."
    what = f"{control}{entry['setting'].capitalize()} transfer from {entry['source']} to {entry['target']}"
    if entry["kind"] == ADAPTATION:
        return (
            f"{what}, whose labels only the arm target supervised, a linear probe, sees: "
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
    gflops, reason = spent["pretraining_gflops"], spent["pretraining_reason"]
    if gflops is None:
        return f". What making the source took is not in this figure, and unknown ({reason})"
    if not gflops:
        return ""
    made = f". Making the source had taken {gflops:,.0f} GFLOPs before, which are not in this figure"
    if reason:
        return f"{made}; what the weights that it began with took is unknown ({reason})"
    part = f"{spent['pretraining_share_gflops']:,.0f}"
    return f"{made}; with its part of them, {part}, it is {spending(spent['saved_amortised'])}"


def _seconds(clocks: Object) -> str:
    """The transfer's own steps against training from scratch by the clock, where both ran on the same device."""
    own = [clocks[step] for step in ("extract", "head", "tune")]
    devices = sorted({clock["device"] for clock in (*own, clocks["scratch"])})
    if len(devices) > 1:
        return f"Seconds are not compared: the arms ran on {' and '.join(devices)}."
    took, scratch = sum(clock["seconds"] for clock in own), clocks["scratch"]["seconds"]
    return (
        f"By the clock ({devices[0]}), extract, head and tune took {took:,.0f} seconds, training from scratch "
        f"{scratch:,.0f}: {spending(1 - took / scratch, 'time')}."
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
        f"The baseline had not stopped improving when its budget ended in {stopped.count(False)} of {len(stopped)} "
        "folds: a better validation loss had come within its last scratch.patience epochs, and the best of the last "
        "quarter of its epochs was more than 1% better than the best epoch before it (or they are fewer than "
        "four). With a larger scratch.epochs it may come closer, and the gain may shrink.",
    ]


def _budget(verdict: Object, epochs: int) -> list[str]:
    """Where scratch ran to its end: that it had stopped improving there says nothing of a longer budget."""
    folds = verdict["folds"].get("scratch", [])
    ran = sum(fold["epochs"] >= epochs for fold in folds)
    if not ran:
        return []
    return [
        f"In {ran} of {len(folds)} folds scratch ran to the end of its budget of {epochs} epochs. A longer budget was "
        "not tried, also where this one was used up: where the last quarter of the epochs was not more than 1% better "
        "on validation than the best epoch before it."
    ]


def _notes(entry: Object, verdict: Object, forecast: Object | None) -> list[str]:
    if entry["kind"] == ADAPTATION:
        chosen = ", ".join(f"{spaced(method)} in {folds}" for method, folds in entry["methods"].items())
        return [f"Chosen without labels, by folds: {chosen}.", CEILING]
    notes = [f"Epoch that was kept, of those run: {_epochs(verdict['folds'])}."]
    if "cost_to_equal_quality" in entry:
        notes.append(_equal_quality(entry["cost_to_equal_quality"]))
    if forecast is not None:
        notes.append(_forecast(forecast, entry, verdict["folds"]["head"][0]["forecast_sha256"]))
    if "attribution" in verdict:
        notes.append(_third_reading(verdict["attribution"]))
    return notes


def _forecast(forecast: Object, entry: Object, sha256: str) -> str:
    """What was forecast and why, against what came; `sha256` is of the forecast that the head had found."""
    if forecast["label"] is None:
        return "No forecast: none of the scores is defined for these features."
    outcome = {True: "which is right", False: "which is wrong", None: "which no verdict can prove"}
    return (
        f"Forecast, told before the head was trained (sha256 {sha256[:8]}): {forecast['label']}, "
        f"{outcome[entry['forecast']['right']]}. "
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
    reason = card["cost"]["reason"]
    made = f"; what its training took is unknown ({reason})" if reason else ""
    if card["weights"] == "pretrained":
        made = f". {_making(card)}"
    return (
        f"{name}: {card['architecture']}, {card['parameters']:,} parameters, from {card['origin']}; "
        f"{card['licence']}{made}."
    )


def _making(card: Object) -> str:
    labels = f"the labels {card['labels_used']}" if card["labels_used"] else "no labels"
    permuted = ", permuted" if card["permuted"] else ""
    learnt = card["labels_inherited"]
    before = f", after the labels {', '.join(learnt)} that it began with" if learnt else ""
    found, cost = card["representation"], card["cost"]
    inherited = f" after {cost['inherited_gflops']:,.0f} before it" if cost["inherited_gflops"] else ""
    if cost["reason"]:
        inherited += f", and what the weights at the beginning took, which is unknown ({cost['reason']})"
    pretext = card.get("pretext")  # the methods that make up a task tell how well it was solved
    solved = f", its task solved in {pretext['accuracy']:.0%} (chance {pretext['chance']:.0%})" if pretext else ""
    return (
        f"Made here by {card['pretrain']} from {card['init']}: {card['images']:,} images of {card['dataset']}, {labels}"
        f"{permuted}{before}{solved}; {cost['images_seen']:,} images seen, {cost['gflops']:,.0f} GFLOPs{inherited}. "
        f"Its features: effective rank {number(found['rank'], '.1f')}, variance {number(found['variance'], '.4f')}, "
        f"not collapsed ({card['citation']})"  # one that collapsed is refused before it has a card
    )


def run_line(params: Params) -> str:
    """The protocol, in one sentence."""
    run = params.run
    return (
        f"{run.folds} folds, protocol {run.protocol}, {run.image_size} pixels a side, augmentation {run.augmentation}, "
        f"seed {run.seed}. Every image was tested once; within this run nothing was chosen on tested images."
    )
