"""Data validation of a manifest by Great Expectations, before anything is trained on it.

The tables that are checked: the manifest, `near_duplicates` (one row per image: does its cluster have conflicting
labels?), `classes` (one row per target and class), `targets` (one row per target), and `deep` (one row per mode of the
images from files of more than 8 bits, if there are any). Most checks of Great Expectations ignore nulls and accept an
empty table, so counts, columns, nulls and values are separate expectations. The import takes seconds and is therefore
made on use.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.schema import Dataset, Run, Target
from pipeline.datasets.readers.raw import SPLIT
from pipeline.datasets.selection import select
from pipeline.store.errors import InputError

GREY_LEVELS = 20  # of 256: a file of more than 8 bits with fewer is nearly black; 12 bits of 16 have 17, and a frame
DEEP = r"^(I.*|F|.*;16)$"  # modes of files with more than 8 bits a channel
MOSTLY = 0.99  # share of images whose brightness must be within the bounds
EXAMPLES = 5  # listed of a failed expectation
SENTENCES = 10  # failed expectations in a message
EXIST = "ExpectColumnToExist"
NOT_NULL = "ExpectColumnValuesToNotBeNull"
BETWEEN = "ExpectColumnValuesToBeBetween"
ROWS = "ExpectTableRowCountToBeBetween"
UNIQUE = "ExpectColumnValuesToBeUnique"
IN_SET = "ExpectColumnValuesToBeInSet"


@dataclass(frozen=True)
class Rule:
    """One expectation: its class in Great Expectations, its arguments, and the message if it fails."""

    table: str
    name: str
    message: str
    column: str | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)


def tables(manifest: pd.DataFrame, labels: list[str], targets: Mapping[str, Target]) -> dict[str, pd.DataFrame]:
    """The tables to check; a target whose columns are missing has no classes."""
    rows = {name: _rows_of(manifest, target) for name, target in targets.items()}
    classes = [
        (f"{name}: {label}", int(count), round(float(count) * (targets[name].train_fraction or 1), 6))
        for name, chosen in rows.items()
        for label, count in chosen["label"].value_counts().sort_index().items()
    ]
    counts = [(name, chosen["label"].nunique(), chosen["unit"].nunique()) for name, chosen in rows.items()]
    found = {
        "manifest": manifest,
        "near_duplicates": _near_duplicates(manifest, [column for column in labels if column != SPLIT]),
        "classes": pd.DataFrame(classes, columns=["name", "images", "labelled"]),
        "targets": pd.DataFrame(counts, columns=["name", "classes", "groups"]),
    }
    deep = _deep(manifest)
    return found if deep.empty else found | {"deep": deep}


def rules(dataset: Dataset, targets: Mapping[str, Target], run: Run) -> list[Rule]:
    """The suite of expectations, which depends on params only."""
    columns = ["row", "image_id", "name", "width", "height", "brightness", "group", "unit", "pool"]
    suite = [Rule("manifest", ROWS, "there are fewer than two images", kwargs={"min_value": 2})]
    for column in (*columns, *dataset.labels, *dataset.weights):
        suite.append(Rule("manifest", EXIST, f"column '{column}' is missing; run ingest again", column))
        suite.append(Rule("manifest", NOT_NULL, f"column '{column}' has rows without a value; fill them in", column))
    suite.append(Rule("manifest", UNIQUE, "the same image occurs more than once", "image_id"))
    suite += [_values(column, dataset.classes[column]) for column in dataset.labels if dataset.classes.get(column)]
    for column in ("width", "height"):
        message = f"images have a {column} under min_side {dataset.min_side} pixels; remove them"
        suite.append(Rule("manifest", BETWEEN, message, column, {"min_value": dataset.min_side}))
    if dataset.brightness:
        low, high = dataset.brightness
        message = f"more than {1 - MOSTLY:.0%} of the images have a mean grey outside {low:g}..{high:g}; look at them"
        kwargs = {"min_value": low, "max_value": high, "mostly": MOSTLY}
        suite.append(Rule("manifest", BETWEEN, message, "brightness", kwargs))
    for column in dataset.weights:
        kwargs = {"min_value": 0, "max_value": 1, "strict_min": True}
        suite.append(Rule("manifest", BETWEEN, f"weights '{column}' are outside (0, 1]; correct them", column, kwargs))
    message = (
        f"half of the images of one mode of more than 8 bits have fewer than {GREY_LEVELS} grey levels on the "
        "scale of the dataset (its card: more_than_8_bits): other images hold far greater values; store all on one "
        "scale, or as 8-bit images"
    )
    suite.append(Rule("deep", BETWEEN, message, "levels", {"min_value": GREY_LEVELS}))
    if dataset.near_duplicate_distance is not None:
        message = (
            f"more than the share {dataset.conflict_cap:g} (conflict_cap) of the images have a near-duplicate with "
            "another label; correct the labels, raise the cap, or, if the images only look alike, lower "
            "near_duplicate_distance"
        )
        unharmed = {"value_set": [False], "mostly": 1 - dataset.conflict_cap}
        suite.append(Rule("near_duplicates", IN_SET, message, "conflicting", unharmed))
    if any(target.train_fraction for target in targets.values()):
        suite.append(_labelled_rule(run))
    return suite + (_target_rules(run) if targets else [])


def check(dataset: str, suite: list[Rule], checked: dict[str, pd.DataFrame]) -> tuple[dict[str, Any], dict[str, str]]:
    """Run the suite.

    Returns:
        The report (plain values, identical in repeated runs) and an HTML page for each table.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the context is created
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("memory")
    outcomes, pages = [], {}
    for table, frame in checked.items():
        mine = [rule for rule in suite if rule.table == table]
        checks = gx.ExpectationSuite(table, [_expectation(gx, rule, index) for index, rule in enumerate(mine)])
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
        result = batch.get_batch({"dataframe": frame}).validate(checks, result_format=_format(frame))
        results: list[Any] = list(result.results)  # in another order than the rules
        results.sort(key=lambda one: one.expectation_config.meta["index"])
        outcomes += [_outcome(rule, one.to_json_dict()) for rule, one in zip(mine, results, strict=True)]
        pages[table] = _page(dataset, result)
    success = all(outcome["success"] for outcome in outcomes)
    report = {"dataset": dataset, "images": len(checked["manifest"]), "success": success, "expectations": outcomes}
    return report, pages


def gate(report: Mapping[str, Any], written: Path | None = None) -> None:
    """Stop the run if an expectation failed; of a missing column only its existence check is reported.

    Args:
        written: where the whole report is.

    Raises:
        InputError: one sentence per failed expectation, for the first SENTENCES.
    """
    failed = [outcome for outcome in report["expectations"] if not outcome["success"]]
    missing = {(outcome["table"], outcome["column"]) for outcome in failed if outcome["name"] == EXIST}
    reported = [o for o in failed if o["name"] == EXIST or (o["table"], o["column"]) not in missing]
    if reported:
        sentences = [f"  - {sentence(outcome)}" for outcome in reported[:SENTENCES]]
        if len(reported) > SENTENCES:
            sentences.append(f"  and {len(reported) - SENTENCES} more, in {written}." if written else "  and more.")
        listed = "\n".join(sentences)
        raise InputError(f"Dataset '{report['dataset']}' fails {len(reported)} of its expectations:\n{listed}")


def sentence(outcome: Mapping[str, Any]) -> str:
    """Message of a failed expectation, with the count and first examples."""
    examples = "; ".join(
        ", ".join(f"{key} {value}" for key, value in example.items()) for example in outcome["examples"]
    )
    counted = f" ({outcome['unexpected_count']}: {examples})" if examples else ""
    error = f" (the check itself failed: {outcome['error']})" if outcome["error"] and outcome["name"] != EXIST else ""
    return f"{outcome['message']}{counted}{error}."


def label_conflicts(manifest: pd.DataFrame, labels: list[str]) -> dict[str, dict[str, int]]:
    """For each label column, the number of near-duplicate clusters, and of those with conflicting labels.

    `conflict_cap` tolerates a few: they are label noise, which bounds the attainable quality.
    """
    if not {"cluster", *labels} <= set(manifest.columns):
        return {}  # reported by the expectations on columns
    shared = manifest[manifest["cluster"].duplicated(keep=False)]
    differing = {column: int((shared.groupby("cluster")[column].nunique() > 1).sum()) for column in labels}
    clusters = int(shared["cluster"].nunique())
    return {column: {"clusters": clusters, "with_different_labels": count} for column, count in differing.items()}


def _near_duplicates(manifest: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """name, conflicting (bool): whether labels differ within the image's near-duplicate cluster."""
    if not {"name", "cluster", *labels} <= set(manifest.columns):
        return pd.DataFrame({"name": [], "conflicting": []})
    differing = manifest.groupby("cluster")[labels].nunique().gt(1).any(axis=1)
    return pd.DataFrame({"name": manifest["name"], "conflicting": manifest["cluster"].map(differing)})


def _deep(manifest: pd.DataFrame) -> pd.DataFrame:
    """name (a mode of more than 8 bits), levels (int): half of the images in it have at most so many."""
    if not {"mode", "levels"} <= set(manifest.columns):
        return pd.DataFrame({"name": [], "levels": []})
    deep = manifest[manifest["mode"].str.match(DEEP)]
    half = deep.groupby("mode")["levels"].quantile(0.5, interpolation="lower")
    return pd.DataFrame({"name": half.index.astype(str), "levels": half.to_numpy(int)})


def _rows_of(manifest: pd.DataFrame, target: Target) -> pd.DataFrame:
    if not {target.label, "unit", "pool", *target.where} <= set(manifest.columns):
        return pd.DataFrame({"label": [], "unit": []})
    try:
        chosen = select(manifest, target.where, target.pool, "a target")
    except InputError:  # reported as a target without classes
        chosen = manifest[:0]
    return pd.DataFrame({"label": chosen[target.label], "unit": chosen["unit"]})


def _values(column: str, allowed: list[str]) -> Rule:
    names = ", ".join(allowed[:EXAMPLES]) + (f" and {len(allowed) - EXAMPLES} more" if len(allowed) > EXAMPLES else "")
    message = f"labels of '{column}' are not among {names}; correct them or add them to `classes`"
    return Rule("manifest", IN_SET, message, column, {"value_set": allowed})


def _target_rules(run: Run) -> list[Rule]:
    few = f"classes of a target have fewer images than run.folds {run.folds}; add images or lower run.folds"
    suite = [
        Rule("targets", BETWEEN, "a target has fewer than two classes; add one", "classes", {"min_value": 2}),
        Rule("classes", BETWEEN, few, "images", {"min_value": run.folds}),
    ]
    if run.protocol == "grouped":
        message = f"a target has fewer groups than run.folds {run.folds}; lower run.folds or use run.protocol: random"
        suite.append(Rule("targets", BETWEEN, message, "groups", {"min_value": run.folds}))
    return suite


def _labelled_rule(run: Run) -> Rule:
    """The folds that are not tested need a labelled image of every class for training and one for validation."""
    message = "train_fraction leaves a class of a target fewer than two labelled images for training; raise it"
    return Rule("classes", BETWEEN, message, "labelled", {"min_value": 2 * run.folds / (run.folds - 1)})


def _expectation(gx: Any, rule: Rule, index: int) -> Any:
    column = {"column": rule.column} if rule.column else {}
    return getattr(gx.expectations, rule.name)(**rule.kwargs, **column, meta={"index": index})


def _format(frame: pd.DataFrame) -> dict[str, Any]:
    # SUMMARY omits the failed rows; a missing index column would make every check fail
    index = {"unexpected_index_column_names": ["name"]} if "name" in frame else {}
    return {"result_format": "COMPLETE", **index}


def _outcome(rule: Rule, result: dict[str, Any]) -> dict[str, Any]:
    """A checked rule as the report lists it; `error` is set if the check itself could not run."""
    detail, success = result["result"], bool(result["success"])
    where = detail.get("unexpected_index_list") or [{"value": v} for v in detail.get("unexpected_list", [])]
    return {
        "table": rule.table,
        "name": rule.name,
        "column": rule.column,
        "kwargs": rule.kwargs,
        "success": success,
        "observed": detail.get("observed_value"),
        "unexpected_count": detail.get("unexpected_count"),
        "examples": [] if success else where[:EXAMPLES],
        "error": _error(result["exception_info"]),
        "message": None if success else rule.message,
    }


def _error(info: dict[str, Any]) -> str | None:
    """First exception of a check; Great Expectations reports it flat, or per metric under the metric's id."""
    infos = [info] if "raised_exception" in info else list(info.values())
    messages = sorted(str(one["exception_message"]) for one in infos if one["raised_exception"])
    return messages[0].splitlines()[0] if messages else None


def _page(dataset: str, result: Any) -> str:
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    result.meta["run_id"] = {"run_name": dataset, "run_time": None}  # required by the renderer; without a time
    return DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
