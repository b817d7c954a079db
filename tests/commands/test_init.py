"""`init`: what it finds, what it writes, what it refuses; nothing is written before the user has seen it."""

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.cli import command_parser
from pipeline.commands import init as module
from pipeline.commands.check import check
from pipeline.commands.entries import word
from pipeline.commands.init import init
from pipeline.commands.minutes import Estimate, Work
from pipeline.config.loading import load_params
from pipeline.datasets.readers.read import read_raw
from pipeline.store.errors import InputError
from pipeline.store.files import read_json
from pipeline.store.paths import Paths
from pipeline.store.yaml import read_yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone of the project without Git, as far as `init` and `check` look at it."""
    folder = tmp_path / "clone"
    (folder / "data" / "raw").mkdir(parents=True)
    for item in ("params.yaml", "dvc.yaml", "data/raw/elpv.yaml"):
        shutil.copy(ROOT / item, folder / item)
    shutil.copytree(ROOT / "data" / "raw" / "digits" / "0", folder / "data" / "raw" / "digits" / "0")
    monkeypatch.chdir(folder)
    return folder


def run(*words, yes=True):
    """Run `init` without measuring; returns what it says at the end."""
    flags = ["--no-measure", *(["--yes"] if yes else [])]
    return init(command_parser({}).parse_args(["init", *map(str, words), *flags]))


def checked(clone):
    """The params that `init` has written, after `python -m pipeline check`."""
    check(Paths(clone))
    return load_params(clone / "params.yaml")


def tinted(rng, size=24, mode="RGB"):
    """An image of blurred noise, unlike all others."""
    noise = rng.integers(0, 256, (6, 6, len(mode)), dtype=np.uint8)
    return Image.fromarray(noise, mode).resize((size, size), Image.Resampling.BICUBIC)


def draw(folder, counts, name="{index}.png", seed=0):
    """One folder per class with so many images."""
    rng = np.random.default_rng(seed)
    for label, count in counts.items():
        for index in range(count):
            path = folder / label / name.format(index=index)
            path.parent.mkdir(parents=True, exist_ok=True)
            tinted(rng).save(path)
    return folder


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# ---- three kinds of data, checked as `make repro` does first ---------------------------------------------------------


@pytest.mark.slow
def test_ten_classes_of_digits(clone, tmp_path, capsys):
    digits, counts = load_digits(), dict.fromkeys(range(10), 0)
    for index, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        if counts[label] < 100:
            path = tmp_path / "numerals" / str(label) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.round(image * 255 / 16).astype("uint8")).save(path)
            counts[label] += 1
    assert "make repro" in run(tmp_path / "numerals", "--augmentation", "none")
    params = checked(clone)
    assert list(params.datasets) == ["numerals"]
    assert params.datasets["numerals"].raw == str(tmp_path / "numerals")  # outside the clone: where it is
    assert params.datasets["numerals"].min_side == 8
    assert (params.run.image_size, params.run.folds, params.run.augmentation) == (32, 2, "none")
    controls = {question.control for question in params.questions.values()}
    assert controls == {None, "null", "planted_negative"}
    assert params.adaptations == params.studies == params.rescaled == {}
    found = capsys.readouterr().out
    assert "1,000" in found and "8 x 8" in found and "1,000 grey (PNG L)" in found


@pytest.mark.slow
def test_a_table_of_icons_with_transparency(clone, tmp_path):
    rng, icons = np.random.default_rng(1), tmp_path / "icons"
    (icons / "png").mkdir(parents=True)
    with (icons / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["file", "category", "artist", "pixels"])
        for index in range(1800):
            tinted(rng, mode="RGBA").save(icons / "png" / f"{index}.png", compress_level=0)
            rows.writerow([f"png/{index}.png", f"yes: {index % 9}", f"a{index // 9 % 30}", 24])
    run(icons / "list.csv", "--group", "artist", "--name", "icons")
    params = checked(clone)
    entry = params.datasets["icons"]
    assert (entry.reader, entry.table, entry.path_column, entry.labels) == ("table", "list.csv", "file", ["category"])
    assert entry.group == "artist" and entry.pools == {"source": 0.3, "target": 0.7}
    assert params.targets["icons-pool"].pool == "target"
    assert len({image.group for image in read_raw(entry, clone).images}) == 30


def test_columns_that_may_be_groups_are_named(clone, tmp_path, capsys):
    rng, rows, own = np.random.default_rng(2), [], tmp_path / "own"
    own.mkdir()
    for index in range(24):
        tinted(rng).save(own / f"{index}.png")
        rows.append(
            {"file": f"{index}.png", "label": "ab"[index % 2], "site": index % 5, "number": index, "year": 2020}
        )
    pd.DataFrame(rows).to_csv(own / "list.csv", index=False)
    run(own / "list.csv")
    assert "without --group COLUMN (perhaps site with 5 values)." in " ".join(capsys.readouterr().out.split())


def test_splits_with_class_folders_and_groups_in_file_names(clone, tmp_path, capsys):
    tree = tmp_path / "tree"
    for number, split in enumerate(("train", "val", "test")):
        draw(tree / split, {"cat": 24, "dog": 24}, "p{index}_" + f"{split}.png", seed=number)
    (tree / "train" / "cat" / "Thumbs.db").write_bytes(b"x")
    run(tree, "--group-pattern", r"^(p\d+)_")
    params = checked(clone)
    entry = params.datasets["tree"]
    assert (entry.table, entry.group, entry.labels) == ("groups.csv", "group", ["label"])
    images = read_raw(entry, clone).images
    assert len(images) == 144
    assert {image.group for image in images if image.name.endswith("/cat/p3_val.png")} == {"p3"}
    found = capsys.readouterr().out
    assert "Thumbs.db 1" in found and "24, of up to 6 images" in found
    assert "no planted negative" in found


# ---- what is written, and when ---------------------------------------------------------------------------------------


def test_nothing_is_written_on_a_dry_run_or_without_an_answer(clone, tmp_path, monkeypatch):
    draw(tmp_path / "own", {"a": 8, "b": 8}, "s{index}_x.png")
    before = files(tmp_path)
    assert "Nothing was written" in run(tmp_path / "own", "--dry-run", "--group-pattern", "^(s.)", yes=False)
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: PTH123, SIM115
    with pytest.raises(InputError, match="Add --yes"):
        run(tmp_path / "own", yes=False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "no")
    assert "Nothing was written" in run(tmp_path / "own", yes=False)
    assert files(tmp_path) == before


def test_settings_keep_their_comments(clone, tmp_path):
    before = (clone / "params.yaml").read_text().partition("# =====")[0].splitlines()
    run(draw(tmp_path / "own", {"a": 12, "b": 12}))
    after = (clone / "params.yaml").read_text().partition("# =====")[0].splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert [line.split(":")[0].strip() for line in changed] == ["image_size", "augmentation"]
    assert all("  # " in line for line in changed)


def test_the_demo_stays_with_keep_demo(clone):
    shutil.copytree(ROOT / "data" / "raw" / "digits", clone / "data" / "raw" / "digits", dirs_exist_ok=True)
    draw(clone / "digits", {"a": 12, "b": 12})
    before = (clone / "params.yaml").read_text()
    (clone / "digits.dvc").touch()  # known to DVC
    run(clone / "digits", "--keep-demo", "--augmentation", "dihedral")
    params, demo = checked(clone), read_yaml(ROOT / "params.yaml")
    assert set(params.datasets) == {*demo["datasets"], "digits-2"}
    assert params.datasets["digits-2"].raw == "digits"
    assert set(params.questions) == {*demo["questions"], "imagenet-to-digits-2", "digits-2-scratch-again"}
    assert params.transfers["imagenet-to-digits-2"].source == "imagenet"
    after = (clone / "params.yaml").read_text().splitlines()
    lost = [line for line in before.splitlines() if line not in after]
    assert [line.split(":")[0].strip() for line in lost] == ["image_size"]


def git(folder, *words):
    identity = ("-c", "user.name=user", "-c", "user.email=user@example.org")
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def _undo(clone, said):
    """Do what the last line of `init` says."""
    shell = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    (command,) = re.findall("to undo it: `(.+)`", said)
    subprocess.run(command, cwd=clone, shell=True, check=True, env=shell)


@pytest.mark.slow
def test_images_inside_the_clone_go_under_dvc_and_not_into_git(clone):
    git(clone, "init", "--quiet")
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--quiet"], cwd=clone, check=True)
    subprocess.run([*dvc, "config", "core.autostage", "true"], cwd=clone, check=True)  # as in .dvc/config
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "-m", "a clone")
    draw(clone / "data" / "raw" / "own", {"a": 8, "b": 8})
    with pytest.raises(InputError, match="holds files of the project"):
        run("data/raw")
    before, status = files(clone / "data"), git(clone, "status", "--porcelain", "--untracked-files=all")
    _undo(clone, run("data/raw/own", "--group-pattern", "(.)"))
    assert files(clone / "data") == before
    assert git(clone, "status", "--porcelain", "--untracked-files=all") == status
    run("data/raw/own")
    own = files(clone / "data" / "raw" / "own")
    git(clone, "add", "--all")
    assert git(clone, "ls-files", "data/raw/own*").split() == ["data/raw/own.dvc"]
    assert checked(clone).datasets["own"].raw == "data/raw/own"
    with pytest.raises(InputError, match="edits that are not committed"):
        run("data/raw/own")
    git(clone, "commit", "--quiet", "-m", "mine")
    _undo(clone, run("data/raw/own", "--group-pattern", "(.)"))  # of a folder that was under DVC before
    assert git(clone, "status", "--porcelain") == "" and files(clone / "data" / "raw" / "own").keys() == set(own)
    assert module._to_add("data/raw/own", clone, changed=False) is None
    assert module._to_add("data/raw/own", clone, changed=True) == "data/raw/own"
    assert module._to_add("data/raw/digits", clone, changed=True) is None  # in Git
    assert module._to_add("data/raw/other", clone, changed=False) == "data/raw/other"


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, message",
    [
        (["absent"], "There is nothing at"),
        (["clone/dvc.yaml"], "is no table"),
        (["."], "holds this clone"),
        (["clone"], "holds files of the project"),
        (["own", "--group", "patient"], "name columns of a table"),
        (["own", "--group-pattern", "("], "is no regular expression"),
        (["own", "--group-pattern", "x"], "has 0 groups in parentheses"),
        (["own", "--group-pattern", "^(7)"], "does not fit 14 of 16 names.*0.png"),
        (["own", "--name", "?"], "has no letter or digit"),
        (["one"], "At least two classes"),
        (["rare"], r"1 of 2 classes have fewer than 4 images.*b \(2\)"),
        (["text"], "16 of 16 files cannot be used"),
        (["list.csv"], "Which column of list.csv holds the paths"),
        (["list.csv", "--path-column", "file"], "Which column of list.csv holds the classes.*kind"),
        (["list.csv", "--path-column", "file", "--label", "kid"], "no column 'kid'.*did you mean 'kind'"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(clone, tmp_path, words, message):
    draw(tmp_path / "own", {"a": 8, "b": 8})
    draw(tmp_path / "one", {"a": 8})
    draw(tmp_path / "rare", {"a": 8, "b": 2})
    for index in range(16):
        path = tmp_path / "text" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    table = pd.DataFrame({"file": [f"{i}.png" for i in range(9)], "kind": list("aabbaabbb"), "site": list("xxyyxxyyx")})
    table.to_csv(tmp_path / "list.csv", index=False)
    before = files(tmp_path)
    with pytest.raises(InputError, match=f"(?s){message}"):
        run(tmp_path / words[0], *words[1:])
    assert files(tmp_path) == before


def test_make_init_without_images_is_told_what_to_give(clone):
    with pytest.raises(InputError, match=r"Which images\? Give .* make init IMAGES="):
        run("")


def test_settings_below_the_entries_are_not_lost(clone, tmp_path):
    text = (clone / "params.yaml").read_text().replace("verdict:\n", "measure:\n", 1)
    (clone / "params.yaml").write_text(text + "verdict: {metric: accuracy, alpha: 0.05, margin: 0.03}\n")
    lines = [line for line in (clone / "params.yaml").read_text().splitlines() if not line.startswith("measure:")]
    start = lines.index("  metric: balanced_accuracy    # balanced_accuracy, accuracy, macro_f1, roc_auc")
    (clone / "params.yaml").write_text("\n".join(lines[:start] + lines[start + 4 :]) + "\n")
    with pytest.raises(InputError, match="settings below its entries"):
        run(draw(tmp_path / "own", {"a": 8, "b": 8}))


def test_a_table_of_the_users_is_not_written_over(clone, tmp_path):
    own = draw(tmp_path / "own", {"a": 8, "b": 8})
    (own / "groups.csv").write_text("mine\n")
    with pytest.raises(InputError, match="was not made by init"):
        run(own, "--group-pattern", "(.)")
    (own / "groups.csv").unlink()
    run(own, "--group-pattern", "(.)")
    run(own, "--group-pattern", "(.)", "--name", "again")
    assert list(checked(clone).datasets) == ["again"]


# ---- what is suggested -----------------------------------------------------------------------------------------------


def test_unusable_files_and_copies_are_told_and_allowed_for(clone, tmp_path, capsys):
    own = draw(tmp_path / "own", {"a": 20, "b": 20})
    for index in range(3):
        (own / "a" / f"broken{index}.png").write_bytes(b"x")
    shutil.copy(own / "a" / "0.png", own / "a" / "copy.png")
    run(own)
    assert checked(clone).datasets["own"].quarantine_cap == pytest.approx(0.11)
    found = capsys.readouterr().out
    assert "3 of 44" in found and "1 with the same pixels and label" in found


def test_look_alikes_that_would_join_all_groups_are_not_looked_for(clone, tmp_path, capsys):
    own, rng = tmp_path / "own", np.random.default_rng(0)
    scene = {label: rng.integers(0, 200, (6, 6, 3), dtype=np.uint8) for label in "ab"}
    for label in "ab":
        for index in range(24):
            path = own / label / f"g{index % 6}_{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(scene[label] + index).resize((24, 24), Image.Resampling.BICUBIC)
            image.save(path)
    run(own, "--group-pattern", "^(g.)_")
    assert checked(clone).datasets["own"].near_duplicate_distance is None
    assert "look-alikes would join" in capsys.readouterr().out


def test_what_ranks_other_sources_is_named(clone, tmp_path, capsys):
    run(draw(tmp_path / "own", {"a": 8, "b": 8}), "--dry-run", "--name", "photos")
    told = capsys.readouterr().out
    assert "`dvc repro split@photos`" in told and "`python -m pipeline shortlist photos`" in told


def test_subfolders_are_named_as_possible_groups(clone, tmp_path, capsys):
    run(draw(tmp_path / "own", {f"{label}/{label}{part}": 3 for label in "ab" for part in range(4)}))
    assert "--group-pattern '^([^/]+)/'" in " ".join(capsys.readouterr().out.split())


def test_classes_that_are_not_plain_are_named(clone, tmp_path):
    own = draw(tmp_path / "own", {f"{label}/s{part}": 3 for label in "ab" for part in range(4)})
    with pytest.raises(InputError, match=r"either may be the classes.*--classes A,B"):
        run(own)
    run(own, "--classes", "a,b", "--group-pattern", "^([^/]+)/")
    entry = checked(clone).datasets["own"]
    assert entry.classes == {"label": ["a", "b"]}
    assert {image.group for image in read_raw(entry, clone).images} == {f"s{part}" for part in range(4)}


@pytest.mark.parametrize("text", ["label", "No", "null", "1", "a: b", "ä b", "#x", "- x", '"', "y", "data/raw/x-1.csv"])
def test_texts_stay_texts_in_yaml(tmp_path, text):
    (tmp_path / "file.yaml").write_text(f"key: {word(text)}\nlist: [{word(text)}]\n", encoding="utf-8")
    assert read_yaml(tmp_path / "file.yaml") == {"key": text, "list": [text]}


def test_every_argument_has_a_help():
    parser = command_parser({})
    (choices,) = (action.choices for action in parser._actions if action.dest == "command")
    assert isinstance(choices["init"], argparse.ArgumentParser)
    assert all(action.help for action in choices["init"]._actions)


def test_what_was_estimated_is_kept_for_the_line_about_the_run(clone, tmp_path, monkeypatch):
    """Only where params.yaml is written too."""
    work = Estimate(60.0, 1.0, Work({"scratch@x": 42.0}), 2)
    monkeypatch.setattr("pipeline.commands.init.estimate", lambda *_: work)
    photos = draw(tmp_path / "photos", {"cat": 12, "dog": 12})
    for flag, kept in (("--dry-run", False), ("--yes", True)):
        init(command_parser({}).parse_args(["init", str(photos), flag]))
        assert Paths(clone).estimate.is_file() is kept
    assert read_json(Paths(clone).estimate) == {"scratch@x": 42.0}
