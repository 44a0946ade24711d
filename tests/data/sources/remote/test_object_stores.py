"""Files from object stores: S3's protocol on loopback, and fsspec's own in memory."""

import socket
import threading
from contextlib import suppress

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

from lightning_flowers.errors import DataError

BUCKET, ROOT, FOLDER = "petals", "data", "tfrecords-jpeg-32x32/train"


class CuttingProxy:
    """Passes on requests to a server, and answers to the client; cuts these after so many bytes each."""

    def __init__(self, port):
        self.cuts = []
        self.sockets = []
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (*self.sockets, self._listener):
            end.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self.sockets += [client, server]
                limit = self.cuts.pop(0) if self.cuts else 1 << 30
                for source, sink, stop in ((client, server, 1 << 30), (server, client, limit)):
                    self._threads.append(threading.Thread(target=self._pass_on, args=(source, sink, stop)))
                    self._threads[-1].start()

    def _pass_on(self, source, sink, left):
        with suppress(OSError):
            while left and (data := source.recv(min(left, 1 << 16))):
                sink.sendall(data)
                left -= len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()
    if server._server:  # else its socket stays open
        server._server.server_close()


@pytest.fixture
def s3(moto, shards, monkeypatch):
    """The shards in a bucket; yields its URL."""
    for name, value in {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{moto}")
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for path, data in {**shards, "classes.txt": b"rose\ntulip\n", "notes.md": b""}.items():
        client.put_object(Bucket=BUCKET, Key=f"{ROOT}/{path}", Body=data)
    yield client
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


def test_shards_come_from_a_bucket(s3, open_store, shards):
    store = open_store(f"s3://{BUCKET}/{ROOT}")
    assert store.files() == {path: len(data) for path, data in shards.items()} | {"classes.txt": 11}
    store.prefetch(list(shards))
    assert {path: store.get(path).read_bytes() for path in shards} == shards


def test_another_version_in_a_bucket_is_fetched_anew(s3, open_store, shards):
    path, other, *_ = shards
    open_store(f"s3://{BUCKET}/{ROOT}").get(path)
    s3.put_object(Bucket=BUCKET, Key=f"{ROOT}/{path}", Body=shards[other])
    assert open_store(f"s3://{BUCKET}/{ROOT}").get(path).read_bytes() == shards[other]


def test_cut_connections_to_a_bucket_are_gone_on_from(s3, moto, open_store, shards, monkeypatch):
    proxy = CuttingProxy(moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    store = open_store(f"s3://{BUCKET}/{ROOT}")
    store.files()
    proxy.cuts = [70_000, 500, 0, 30_000]
    path = next(iter(shards))
    assert store.get(path).read_bytes() == shards[path]
    assert not proxy.cuts
    proxy.close()


@pytest.mark.parametrize("url", ["s3://no-such-bucket-here/data", f"s3://{BUCKET}/nowhere", "memory://nowhere"])
def test_a_bucket_or_folder_that_is_not_there_is_told_of(s3, open_store, url):
    with pytest.raises(DataError, match=f"{url}: no shards there .*check the names of bucket and folder"):
        open_store(url).files()


def test_a_bucket_that_may_not_be_read_says_how_to_log_in(open_store, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(DataError, match=r"access refused \(NoCredentialsError.*FSSPEC_S3_ANON=true"):
        open_store("s3://bucket/data").files()


def test_a_store_that_is_not_there_is_told_of_in_one_line(s3, open_store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"s3://petals/data: cannot be fetched, tried 2 times .*check the address"):
        open_store(f"s3://{BUCKET}/{ROOT}").files()


def test_shards_come_from_memory_and_other_plain_file_systems(open_store, shards, tmp_path):
    for url in ("memory://petals", f"file://{tmp_path}/petals"):
        fs, root = fsspec.url_to_fs(url)
        fs.makedirs(f"{root}/{FOLDER}")
        fs.pipe({f"{root}/{path}": data for path, data in shards.items()})
        store = open_store(url)
        assert store.files() == {path: len(data) for path, data in shards.items()}
        store.prefetch(list(shards))
        assert {path: store.get(path).read_bytes() for path in shards} == shards
        fs.rm(root, recursive=True)
