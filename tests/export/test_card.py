"""The model card: front matter with the documented fields of the Hugging Face Hub, and text that nothing breaks."""

from dataclasses import replace

import builders
import pytest
from ruamel.yaml import YAML

from pipeline.datasets.readers.raw import plain_card
from pipeline.export.card import Facts, card
from pipeline.export.licences import Licence, without_folders

FACTS = Facts(
    name="imagenet-to-stripes",
    form="onnx",
    how="the mean of 4 networks, one a fold of every repeat",
    reason="transfers/imagenet-to-stripes (chosen), which gained +0.050",
    cautions=("controls of this run failed",),
    reference="transfers/imagenet-to-stripes",
    arm="transfers/imagenet-to-stripes",
    against="baselines/stripes",
    result=builders.transfer(evidence="conclusive"),
    metric="balanced_accuracy",
    quality=0.75,
    target="stripes",
    dataset="shapes",
    title="Shapes: <b>all</b> | of them",
    images=1200,
    classes=["<i>yes</i>", "a | b", "---", "NA"],
    sides=[80, 32],
    temperature=1.25,
    protocol="grouped",
    folds=2,
    repeats=2,
    licences=[Licence("images: shapes", "CC0-1.0 | none", "raw/shapes", "not stated")],
    checked=64,
    difference=3e-7,
    versions={"keras": "3.15.1"},
)


def matter(text):
    start, front, body = text.split("---\n", 2)
    assert start == ""
    return YAML(typ="safe", pure=True).load(front), body


def test_the_front_matter_has_the_fields_that_the_hub_documents():
    found, _ = matter(card(FACTS))
    assert found["license"] == "other" and {"license_name", "license_link"} <= set(found)
    assert found["library_name"] == "onnx" and found["pipeline_tag"] == "image-classification"
    assert all(isinstance(tag, str) for tag in found["tags"])
    (model,) = found["model-index"]
    (result,) = model["results"]
    assert model["name"] == "imagenet-to-stripes" and set(result) == {"task", "dataset", "metrics"}
    assert result["task"]["type"] == "image-classification"
    assert set(result["dataset"]) <= {"type", "name", "config", "split", "revision", "args"}
    assert (result["dataset"]["type"], result["dataset"]["name"]) == ("shapes", FACTS.title)
    assert result["dataset"]["args"] == {"protocol": "grouped", "folds": 2, "repeats": 2}
    quality, gain = result["metrics"]
    for metric in (quality, gain):
        assert set(metric) <= {"type", "name", "value", "config", "args", "verified", "verifyToken"}
    assert (quality["type"], quality["value"]) == ("balanced_accuracy", 0.75)
    asked = FACTS.result
    assert gain["value"] == asked.gain
    assert [gain["args"][key] for key in ("ci_low", "ci_high", "label", "evidence")] == [
        asked.ci_low, asked.ci_high, asked.label, "conclusive",
    ]  # fmt: skip


def test_the_hubs_own_reader_understands_it():
    """Where its library is installed, as by the extra `hub`."""
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(card(FACTS)).data
    assert [result.metric_type for result in data.eval_results] == ["balanced_accuracy", "balanced_accuracy_gain"]
    assert data.eval_results[0].dataset_args == {"protocol": "grouped", "folds": 2, "repeats": 2}


def test_an_arm_without_a_question_has_its_quality_alone():
    found, body = matter(card(replace(FACTS, arm=None, against=None, result=None, cautions=())))
    (metric,) = found["model-index"][0]["results"][0]["metrics"]
    assert metric["type"] == "balanced_accuracy" and "verdict" not in body
    assert "model-index" not in matter(card(replace(FACTS, result=None, quality=None)))[0]


def test_names_break_no_table_and_no_page():
    _, body = matter(card(FACTS))
    assert "<b>" not in body and "<i>" not in body
    for line in body.splitlines():
        if line.startswith("|"):
            cells = line.replace("\\|", "").count("|") - 1
            assert cells == (4 if "CC0" in line or "origin" in line or line.count("---") == 4 else 2), line


def test_images_are_resized_as_ingest_and_split_did():
    _, body = matter(card(FACTS))
    assert body.index("resize((80, 80)") < body.index("resize((32, 32)")


def test_where_images_lie_on_this_machine_is_not_published():
    there = plain_card("Images of the folder /home/anna/photos", "/home/anna/photos", {})
    found = without_folders(there)
    assert (found["title"], found["origin"]) == ("Images of the folder photos", "photos")
    assert found["licence"] == there["licence"]
    inside = plain_card("Images of the folder data/raw/photos", "data/raw/photos", {})
    assert without_folders(inside) == inside
