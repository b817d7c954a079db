"""Trainings on a cluster of two machines, here two nodes of Ray on this one; skipped without the extra `cluster`."""

import os
import signal
import threading
import time
from pathlib import Path

import joblib
import pytest
from two_nodes import two_nodes

from pipeline.runner import cluster
from pipeline.runner.cluster import RayTasks, cluster_faults
from pipeline.runner.surroundings import of_libraries
from pipeline.store.errors import InputError


@pytest.fixture(scope="module")
def nodes():
    """A cluster of two nodes with a core each, and its second node."""
    with two_nodes() as both:
        yield both


def trained(address, tasks):
    """What `joblib.Parallel` returns on the cluster; nothing is imported before a stand-in."""
    with joblib.parallel_config(RayTasks(address, 1, prepare=lambda: None), n_jobs=-1):
        assert joblib.effective_n_jobs(None) == 2
        return list(joblib.Parallel(batch_size=1, pre_dispatch="all", return_as="generator")(tasks))


def stand_in(folder):
    """A training that takes a moment; the first two wait until they are told to go on."""

    import ray

    def train(number):
        node = ray.get_runtime_context().get_node_id()
        (folder / f"{number}.{node}.{os.getpid()}").touch()
        while number < 2 and not (folder / "go").exists():
            time.sleep(0.05)
        return number, Path.cwd()

    return train


# In this order: the last test takes a machine away.


def test_check_asks_every_machine(nodes, tmp_path):
    assert cluster_faults(nodes[0].address, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_the_user_is_its_own_message(nodes):
    with pytest.raises(InputError, match=r"^a fault of the user$"):
        trained(nodes[0].address, [joblib.delayed(refuse_by_value())()])


def refuse_by_value():
    """A function that travels by its code: this module is not on the other machines."""

    def refused():
        from pipeline.store.errors import InputError

        raise InputError("a fault of the user")

    return refused


def test_trainings_of_a_machine_that_is_lost_are_done_again(nodes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two, second = nodes

    def lose():
        while len(list(tmp_path.glob("[01].*"))) < 2:  # a training is at work on each machine
            time.sleep(0.05)
        (at_work,) = tmp_path.glob(f"*.{second.node_id}.*")
        two.remove_node(second, allow_graceful=False)
        os.kill(int(at_work.suffix[1:]), signal.SIGKILL)  # as the machine's power cut would
        (tmp_path / "go").touch()

    threading.Thread(target=lose).start()
    train = stand_in(tmp_path)
    assert trained(two.address, [joblib.delayed(train)(number) for number in range(4)]) == [
        (number, tmp_path) for number in range(4)
    ]
    assert sorted(path.name[0] for path in tmp_path.glob("[0-3].*")) in (list("00123"), list("01123"))


def test_a_machine_without_the_folder_says_so():
    assert cluster._caller()("/absent", "/absent", b"", b"")[0] == "absent"


def test_the_environment_of_libraries_goes_along():
    given = {"KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "1", "HOME": "/root", "CUDA_VISIBLE_DEVICES": "-1"}
    assert of_libraries(given) == {name: value for name, value in given.items() if name != "HOME"}


def test_without_ray_the_message_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    assert cluster_faults("ray", tmp_path) == [cluster.INSTALL]
    assert cluster_faults(None, tmp_path) == []
    with pytest.raises(InputError, match="pip install"), cluster.ray_trainings("ray", 1):
        pass
