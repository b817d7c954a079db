"""leakage: whatever a source would learn and a target tests is refused before training, counted and listed."""

import io

import numpy as np
import pandas as pd
import pytest
import tiny_world
from PIL import Image, ImageEnhance

from pipeline.config.loading import check_params
from pipeline.datasets.grouping import units
from pipeline.datasets.images import decode
from pipeline.stages import leakage
from pipeline.store.errors import InputError
from pipeline.store.files import read_json, replacing_folder, write_json, write_npy, write_parquet
from pipeline.store.outs import DatasetPaths
from pipeline.store.paths import Paths

COUNT = 24


def scene(number, size=96):
    """A smooth random picture: coarse noise, enlarged."""
    coarse = np.random.default_rng(number).integers(10, 230, (7, 7), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def as_jpeg(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(io.BytesIO(file.getvalue()))


COPIES = {
    "encoded as JPEG": as_jpeg,
    "at half the size": lambda image: image.resize((48, 48), Image.Resampling.BICUBIC),
    "cropped": lambda image: image.crop((2, 2, 93, 94)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
}


def write_dataset(root, name, images, groups=None, background=None):
    """What ingest leaves of these images, as far as `leakage` and `split` read it."""
    files = [io.BytesIO() for _ in images]
    for file, image in zip(files, images, strict=True):
        image.save(file, "PNG")
    decoded = [decode(file.getvalue(), 64, 10**6, 16) for file in files]
    names = [f"{name}/{index}.png" for index in range(len(images))]
    table = pd.DataFrame(
        {
            "row": range(len(images)),
            "image_id": [image.content for image in decoded],
            "name": names,
            "phash": [image.phash for image in decoded],
            "group": groups or names,
            "cluster": range(len(images)),
            "pool": "",
            "label": np.where(np.arange(len(images)) % 2, "a", "b").astype(object),
        }
    )
    with replacing_folder(Paths(root).dataset(name).folder) as folder:
        written = DatasetPaths(folder)
        write_npy(written.images, np.stack([image.pixels for image in decoded]))
        write_parquet(written.manifest, table.assign(unit=units(table["group"], table["cluster"])))
        transparency = {"files": 1, "background": background} if background else None
        write_json(written.card, {"near_duplicate_distance": None, "transparency": transparency})


def world(root, learnt, tested, groups=(None, None), table="theirs.csv", **entry):
    """A source pretrained on dataset `theirs` and adapted to a target on dataset `mine`; returns the params."""
    raw = {**tiny_world.RAW, "transfers": {}, "baselines": {}, "sources": {}, "rescaled": {}}
    raw["sources"] = {"tiny": {"architecture": "VGG16", "weights": "random"}}
    shared = {"reader": "table", "raw": "raw", "table": "t.csv", "labels": ["label"], **entry}
    raw["datasets"] = {"mine": shared, "theirs": shared | {"table": table}}
    raw["targets"] = {"tested": {"dataset": "mine", "label": "label"}}
    source = {"pretrain": "supervised", "init": "tiny", "dataset": "theirs", "label": "label"}
    raw["pretrained"] = {"first": source}
    raw["adaptations"] = {"use": {"source": "first", "target": "tested"}}
    raw["questions"] = {"use": {"target": "tested", "arm": "adaptations/use", "against": "unadapted/use"}}
    for name, images, named in zip(("theirs", "mine"), (learnt, tested), groups, strict=True):
        write_dataset(root, name, images, named)
    params = tiny_world.write_params(root, raw)
    tiny_world.run_cell(root, "split", "tested")
    return params


def refusal(root):
    with pytest.raises(InputError) as caught:
        tiny_world.run_cell(root, "leakage", None)
    assert not Paths(root).leakage.passed.exists()
    return str(caught.value)


SCENES = [scene(number) for number in range(COUNT)]
OTHERS = [scene(number) for number in range(100, 100 + COUNT)]


def test_nothing_shared_lets_the_training_begin(tmp_path, capsys):
    world(tmp_path, OTHERS, SCENES)
    tiny_world.run_cell(tmp_path, "leakage", None)
    assert "1 pairs of source and target share no image [" in capsys.readouterr().out
    assert read_json(Paths(tmp_path).leakage.passed) == {"passed": True}


def test_the_same_pixels_in_another_file_format_are_refused_with_counts_and_listed(tmp_path):
    world(tmp_path, [*OTHERS, SCENES[3], SCENES[5]], SCENES)
    text = refusal(tmp_path)
    assert (
        "'first' (from 'theirs') and target 'tested': 2 images (2 same pixels; e.g. mine/3.png as theirs/24.png)"
        in text
    )
    assert "data/leakage/found.csv" in text
    listed = pd.read_csv(Paths(tmp_path).leakage.found)
    assert listed[["source", "target", "kind", "image", "other"]].to_numpy().tolist() == [
        ["first", "tested", "same pixels", "mine/3.png", "theirs/24.png"],
        ["first", "tested", "same pixels", "mine/5.png", "theirs/25.png"],
    ]


@pytest.mark.parametrize("distance", [None, 0, 4])
@pytest.mark.parametrize("copy", COPIES)
def test_copies_of_all_target_images_are_refused_whatever_the_distance_in_params(tmp_path, copy, distance):
    world(tmp_path, [COPIES[copy](image) for image in SCENES], SCENES, near_duplicate_distance=distance)
    assert f"{COUNT} images ({COUNT} near-duplicate; e.g. mine/0.png as theirs/0.png)" in refusal(tmp_path)


PATIENTS = [*(f"p{index // 2}" for index in range(COUNT - 1)), "7"]
STRANGERS = ["P1 ", "007", *(f"q{index}" for index in range(COUNT - 2))]  # the first two have names of patients above


def test_transparent_images_on_two_colours_could_hide_copies_and_are_refused(tmp_path):
    world(tmp_path, OTHERS, SCENES)
    write_dataset(tmp_path, "theirs", OTHERS, background="#ffffff")
    tiny_world.run_cell(tmp_path, "leakage", None)  # nothing is transparent in the target's
    Paths(tmp_path).leakage.passed.unlink()
    write_dataset(tmp_path, "mine", SCENES, background="#000000")
    assert "'mine' on #000000 and 'theirs' on #ffffff\nGive these datasets one `background`" in refusal(tmp_path)


def test_groups_of_one_kind_are_refused_across_datasets(tmp_path):
    world(tmp_path, OTHERS, SCENES, (STRANGERS, PATIENTS), group="patient", group_kind="patient")
    assert "3 images (3 same group_kind and group; e.g. mine/2.png as theirs/0.png)" in refusal(tmp_path)


def test_groups_whose_kind_params_do_not_tell_are_counted_and_told(tmp_path, capsys):
    world(tmp_path, OTHERS, SCENES, (STRANGERS, PATIENTS), group="patient")
    tiny_world.run_cell(tmp_path, "leakage", None)
    out = capsys.readouterr().out
    assert "share no image; told only: 3 group of the same name" in out and "found.csv" in out
    assert "group_kind" in out


def test_two_datasets_of_one_column_have_groups_of_one_kind(tmp_path):
    world(tmp_path, OTHERS, SCENES, (STRANGERS, PATIENTS), table="t.csv", group="patient")
    assert "3 images (3 same group; e.g. mine/2.png as theirs/0.png)" in refusal(tmp_path)


def test_groups_of_two_kinds_are_no_finding(tmp_path, capsys):
    params = world(tmp_path, OTHERS, SCENES, (STRANGERS, PATIENTS), group="patient", group_kind="patient")
    raw = params.model_dump(mode="json", exclude_none=True)
    raw["datasets"]["mine"]["group_kind"] = "site"
    tiny_world.write_params(tmp_path, raw)
    tiny_world.run_cell(tmp_path, "leakage", None)
    assert "told only" not in capsys.readouterr().out


def test_a_close_hash_with_another_texture_is_told_and_not_refused(tmp_path, capsys):
    world(tmp_path, OTHERS, SCENES)
    manifest = Paths(tmp_path).dataset("theirs").manifest
    table = pd.read_parquet(manifest)
    table.loc[0, "phash"] = pd.read_parquet(Paths(tmp_path).dataset("mine").manifest)["phash"][4]
    with replacing_folder(Paths(tmp_path).dataset("theirs").folder) as folder:
        write_npy(DatasetPaths(folder).images, np.load(Paths(tmp_path).dataset("theirs").images))
        write_parquet(DatasetPaths(folder).manifest, table)
        write_json(DatasetPaths(folder).card, {})
    tiny_world.run_cell(tmp_path, "leakage", None)
    assert "told only: 1 close hash, other texture" in capsys.readouterr().out


def test_what_an_init_learnt_counts_and_all_pairs_are_told_at_once(tmp_path):
    params = world(tmp_path, [*OTHERS, SCENES[3]], SCENES)
    raw = params.model_dump(mode="json", exclude_none=True)
    raw["pretrained"]["second"] = raw["pretrained"]["first"] | {"init": "first", "dataset": "clean"}
    raw["datasets"]["clean"] = raw["datasets"]["mine"]
    write_dataset(tmp_path, "clean", OTHERS)
    raw["adaptations"]["more"] = {"source": "second", "target": "tested"}
    raw["questions"]["more"] = {"target": "tested", "arm": "adaptations/more", "against": "unadapted/more"}
    tiny_world.write_params(tmp_path, raw)
    text = refusal(tmp_path)  # "second" itself learns from other images, its init from one of the target's
    assert "'first' (from 'theirs')" in text and "'second' (from 'theirs')" in text


def test_one_dataset_is_divided_by_pools_or_where(tmp_path):
    params = world(tmp_path, OTHERS, SCENES)
    raw = params.model_dump(mode="json", exclude_none=True)
    raw["pretrained"]["first"]["dataset"] = "mine"
    tiny_world.write_params(tmp_path, raw)
    text = refusal(tmp_path)
    assert f"(from 'mine') and target 'tested': {COUNT} images" in text and "disjoint `pools`" in text


def test_a_group_of_one_dataset_may_not_be_on_both_sides(tmp_path):
    params = world(tmp_path, OTHERS, SCENES, (None, [f"g{index // 3}" for index in range(COUNT)]), group="g")
    raw = params.model_dump(mode="json", exclude_none=True)
    manifest = pd.read_parquet(Paths(tmp_path).dataset("mine").manifest)
    first = leakage.Images("mine", check_params(raw).datasets["mine"], manifest[manifest["row"] < 4], np.empty(0))
    second = leakage.Images("mine", first.settings, manifest[manifest["row"] >= 4], np.empty(0))
    found = leakage.shared(first, second)
    assert found["image"].tolist() == ["mine/3.png"] and set(found["kind"]) == {"same group"}


def test_a_source_with_too_few_images_of_a_class_is_refused_before_anything_is_trained(tmp_path):
    params = world(tmp_path, OTHERS, SCENES)
    folder = Paths(tmp_path).dataset("theirs").folder
    table = pd.read_parquet(DatasetPaths(folder).manifest)
    pixels = np.load(DatasetPaths(folder).images)
    with replacing_folder(folder) as changed:
        write_npy(DatasetPaths(changed).images, pixels)
        write_parquet(DatasetPaths(changed).manifest, table.assign(label=["rare", *["common"] * (COUNT - 1)]))
    assert params.run.validation_fraction == 0.25
    text = refusal(tmp_path)
    assert text.startswith("Source 'first': No validation part of 0.25") and "rare: 1" in text
