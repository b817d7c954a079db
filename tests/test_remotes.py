"""A DVC remote on S3, served on the loopback: what was pushed from one clone does not run in another."""

import pytest
import tiny_repository

BUCKET = "results"


@pytest.fixture
def s3():
    """The address of an S3 server with an empty bucket."""
    pytest.importorskip("dvc_s3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    import boto3

    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **KEYS)
    client.create_bucket(Bucket=BUCKET)
    yield address, client
    server.stop()


KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}


@pytest.mark.slow
def test_what_was_pushed_to_s3_does_not_run_in_another_clone(s3, tmp_path):
    address, client = s3
    origin, ran = tmp_path / "origin", tmp_path / "ran"
    origin.mkdir()
    credentials = {name.upper(): value for name, value in KEYS.items()}
    env = tiny_repository.environment(ran, AWS_DEFAULT_REGION="us-east-1", **credentials)
    tiny_repository.make(origin, f"    url = s3://{BUCKET}/dvc\n    endpointurl = {address}\n")
    tiny_repository.reproduce_and_push(origin, env)
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert any("/runs/" in key for key in keys) and any("/files/md5/" in key for key in keys)
    clone = tiny_repository.clone(origin, tmp_path / "clone")
    tiny_repository.run(clone, "make", ".venv/installed", env=env)
    tiny_repository.run(clone, "ci/reproduce.sh", env=env)  # dvc pull --run-cache, dvc repro
    assert ran.read_text() == "train\nreport\n"  # in the first clone alone
    assert (clone / "models" / "network.txt").read_text() == "weights"
