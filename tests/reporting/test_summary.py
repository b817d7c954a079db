"""What was paid once is divided over those that use it; what an edit may flip fits on one screen."""

import contextlib
import copy
import json

import pytest
import tiny_world
from dvc.cli import main
from dvc.repo import Repo
from pipeline.reporting.summary import amortised, cells, headlines, one_off
from scmrepo.git import Git

from pipeline.config.loading import check_params, load_params


def cards(**gflops):
    """Cards of sources that begin from one another in the given order; None: unknown, as what begins there knows."""
    reason = "nobody says" if None in gflops.values() else None
    costs = {
        name: {
            "gflops": own,
            "images_seen": own and int(10 * own),
            "backward_gflops": own and own / 2,
            "reason": reason,
        }
        for name, own in gflops.items()
    }
    return {name: {"cost": cost} for name, cost in costs.items()}


def once(gflops, shared_by, share, images, reason=None):
    """What was paid once."""
    return {
        "pretraining_gflops": gflops,
        "pretraining_backward_gflops": gflops and gflops / 2,
        "pretraining_shared_by": shared_by,
        "pretraining_share_gflops": share,
        "pretraining_images_seen": images,
        "pretraining_reason": reason,
    }


@pytest.fixture
def params():
    """`tiny` is published; `first` begins from it, `second` from `first`; three transfers and an adaptation."""
    raw = copy.deepcopy(tiny_world.RAW)
    raw["sources"]["tiny"] = {"architecture": "MobileNetV2", "weights": "imagenet"}
    for baseline in raw["baselines"].values():
        baseline |= {"architecture": "MobileNetV2"}
    made = raw["pretrained"].pop("round-defect")
    raw["pretrained"] = {"first": made, "second": {**made, "init": "first"}}
    raw["adaptations"]["round-to-square"]["source"] = "second"
    to_kind = raw["transfers"]["to-kind"]
    raw["transfers"] |= {"one": {**to_kind, "source": "first"}, "two": {**to_kind, "source": "second"}}
    return check_params(raw)


def test_each_link_of_a_chain_is_divided_by_its_own_users(params):
    found = cards(tiny=0.0, first=30.0, second=8.0)
    assert one_off("tiny", found, params) == once(0.0, 2, 0.0, 0)
    assert one_off("first", found, params) == once(30.0, 1, 10.0, 300)
    assert one_off("second", found, params) == once(38.0, 2, 8 / 2 + 30 / 3, 380)


def test_what_published_weights_took_is_unknown_and_not_nothing(params):
    found = cards(tiny=None, first=30.0, second=8.0)
    assert one_off("tiny", found, params) == once(None, 2, None, None, "nobody says")
    assert one_off("second", found, params) == once(38.0, 2, 8 / 2 + 30 / 3, 380, "nobody says")
    spent = {"transfer_gflops": 50.0, "scratch_gflops": 100.0, "saved": 0.5}
    for source in ("tiny", "second"):
        told = amortised(spent, one_off(source, found, params))
        assert told["saved"] == 0.5 and told["pretraining_reason"]
        assert told["saved_amortised"] is None and told["amortised_gflops"] is None


def test_the_shares_of_all_users_are_what_was_paid(params):
    found = cards(tiny=0.0, first=30.0, second=8.0)
    users = [entry.source for entry in (*params.transfers.values(), *params.adaptations.values())]
    assert sum(one_off(source, found, params)["pretraining_share_gflops"] for source in users) == pytest.approx(38.0)


def test_a_share_counts_against_what_was_saved():
    paid = once(60.0, 2, 30.0, 600)
    spent = amortised({"transfer_gflops": 50.0, "scratch_gflops": 100.0, "saved": 0.5}, paid)
    assert (spent["amortised_gflops"], spent["saved"]) == (80.0, 0.5)
    assert spent["saved_amortised"] == pytest.approx(0.2)


# ---- verdicts.json ---------------------------------------------------------------------------------------------------


def metrics_of(names, evidence, gain):
    """A metrics.json with an entry a name; every second one has no `saved`."""
    saved = [{"saved": gain / 3}, {"saved": None}]
    entries = {
        name: {
            "label": "positive" if gain > 0 else "negative",
            "evidence": evidence,
            "gain": gain,
            "arms": {"tuned": {"accuracy": 0.5}},
            "compute": saved[at % 2],
        }
        for at, name in enumerate(names)
    }
    return entries | {"studies": {"labels": {}}, "run": {"controls": "held" if gain > 0 else "failed", "folds": 3}}


def test_verdicts_json_is_label_evidence_gain_and_compute_saved():
    assert headlines(metrics_of(["a", "b"], "conclusive", 0.3)) == {
        "a": {"label": "positive", "evidence": "conclusive", "gain": 0.3, "saved": pytest.approx(0.1)},
        "b": {"label": "positive", "evidence": "conclusive", "gain": 0.3},
        "run": {"controls": "held"},
    }


def test_dvc_metrics_diff_shows_every_flip_of_the_default_run_on_one_screen(repository, tmp_path, capsys):
    """The names are those of the committed params; everything changes that can."""
    file = tmp_path / "verdicts.json"
    names = cells(load_params(repository / "params.yaml"))
    with contextlib.chdir(tmp_path):
        git = Git.init(".")
        Repo.init(".")
        file.write_text(json.dumps(headlines(metrics_of(names, "inconclusive", 0.0123456789))))
        git.add(["verdicts.json", ".dvc"])
        git.commit("before")
        git.close()
        file.write_text(json.dumps(headlines(metrics_of(names, "equivalent", -0.123456789))))
        capsys.readouterr()
        assert main(["metrics", "diff", "--targets", "verdicts.json", "--no-path", "--precision", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 80
    for name in names:
        assert [line.split() for line in lines if line.startswith(f"{name}.label ")] == [
            [f"{name}.label", "positive", "negative", "-"]
        ]
        assert any(line.split()[:3] == [f"{name}.gain", "0.012", "-0.123"] for line in lines)
    assert ["run.controls", "held", "failed", "-"] in [line.split() for line in lines]
