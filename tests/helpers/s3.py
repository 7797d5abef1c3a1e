"""Run a real S3 API server with a bucket on loopback, which this process and its children use."""

import contextlib
import logging
import os
from collections.abc import Iterator
from unittest import mock

import boto3
import s3fs
from moto.server import ThreadedMotoServer

SECRET = "s3cret-of-the-test"


@contextlib.contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """Serve S3, with one empty bucket; gives the address of the bucket, s3://…, and sets AWS_ENDPOINT_URL meanwhile."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        with mock.patch.dict(os.environ, settings):
            s3fs.S3FileSystem.clear_instance_cache()
            boto3.client("s3").create_bucket(Bucket=bucket)
            yield f"s3://{bucket}"
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.stop()
