"""A cluster of two machines, here two nodes of Ray on this one, with a core and the memory of a training each."""

import os
from contextlib import contextmanager

import pytest

from pipeline.runner import cluster

NODE = {"num_cpus": 1, "memory": cluster.MEMORY, "object_store_memory": 80 * 2**20}


@contextmanager
def two_nodes(**head):
    """The cluster and its second node; `head` is more about the first; skipped without the extra `cluster`."""
    pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    two = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False} | head)
    try:
        yield two, two.add_node(**NODE)
    finally:
        cluster.sys.modules["ray"].shutdown()
        two.shutdown()
