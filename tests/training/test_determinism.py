"""Training repeats to the bit: two processes, the second a fork of one that imported Keras.

Without `one_thread` bits differ on two cores from the second step on; smaller images did not show it.
"""

import os
import subprocess
import sys

import pytest

TRAIN = """
import hashlib, os, sys
from pipeline.networks.device import choose_backend, use_device
if "fork" in sys.argv:  # as the warm server forks a stage
    choose_backend()
    import keras
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
use_device("cpu")
import numpy as np
from pipeline.arms.networks import ScratchNetwork
from pipeline.training.compile_cache import compiled_twin
from pipeline.training.fit import Plan, restarted_optimizer
model, _, depth = ScratchNetwork("efficientnet_lite0", 96, 2, 0.9, None).build(dropout=0.2, l2=0.0, seed=1)
plan = Plan(1e-3, 1, 1, 32, "constant", 0.0, 1e-4, 1)
model = compiled_twin(model, plan, "fused")
restarted_optimizer(model, plan, depth)
rng = np.random.default_rng(0)
for _ in range(5):
    model.train_on_batch(rng.uniform(0, 255, (32, 96, 96, 3)).astype("float32"), rng.integers(2, size=32))
print(hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest(), flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_lite0_trains_to_the_same_bits_in_two_processes(repository):
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(repository)}
    digests = []
    for how in ("alone", "fork"):
        command = [sys.executable, "-c", TRAIN, how]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr[-3000:]
        digests.append(result.stdout.split()[-1])
    assert digests[0] == digests[1]
