"""Passwords, signatures and keys: none stands in what a run leaves, or in what a command says."""

import base64
import io
import json
import subprocess
import sys
import textwrap
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import boto3
import fsspec
import pytest
import yaml
from moto.server import ThreadedMotoServer
from pytorch_lightning.loggers import CSVLogger
from tenacity import wait_none

from lightning_flowers.__main__ import MISUSED, main

PLANTED = "pl4nted"  # a part of each secret
USER, PASSWORD, SIGNATURE = f"{PLANTED}-user", f"{PLANTED}-pass", f"{PLANTED}-sign"
LOGIN = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--data.threads=2",
    "--data.cache=none", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.max_epochs=1",
]  # fmt: skip


class KeyLogger(CSVLogger):
    """A logger that logs in."""

    def __init__(self, api_key: str, uri: str, save_dir: str = "logs") -> None:
        super().__init__(save_dir)


class Site(SimpleHTTPRequestHandler):
    """Files for who logs in, or signs."""

    def send_head(self):
        if self.headers.get("Authorization") != LOGIN and f"X-Amz-Signature={SIGNATURE}" not in self.path:
            self.send_error(401)
            return None
        return super().send_head()

    def log_message(self, format, *args):
        pass


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder; what is fetched is kept beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("lightning_flowers.data.sources.remote.filesystem.BACKOFF", wait_none())
    monkeypatch.setenv("WANDB__DISABLE_META", "")
    monkeypatch.delenv("WANDB__DISABLE_META")  # and what is set from now on does not outlive the test
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def host(petals_root):
    """The tiny data set on a web server; host and port."""
    files = sorted(path for path in petals_root.rglob("*") if path.is_file() and path.name != "listing.txt")
    (petals_root / "listing.txt").write_text("".join(f"{path.relative_to(petals_root)}\n" for path in files))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=str(petals_root)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(here, capfd):
    """Run a command; gives its exit status, output and errors, none of which holds a secret."""

    def run(*args):
        status = main([*args])
        out, err = capfd.readouterr()
        assert PLANTED not in out + err
        return status, out, err

    return run


@pytest.fixture
def in_memory(petals_root):
    memory, place = fsspec.filesystem("memory"), f"/{USER}:{PASSWORD}@petals"
    memory.put(str(petals_root), place, recursive=True)
    with memory.open(f"{place}/petals.zip", "wb") as file, zipfile.ZipFile(file, "w") as packed:
        for path in petals_root.rglob("*.*"):
            packed.write(path, path.relative_to(petals_root))
    yield f"memory:/{place}"
    memory.rm(place, recursive=True)


def assert_nothing_left(folder):
    """No secret in any file below a folder, nor in those packed in it, nor in a name."""
    packed = []
    for path in folder.rglob("*"):
        assert PLANTED not in str(path.relative_to(folder))
        if path.is_file():
            packed.append((str(path), path.read_bytes()))
    assert packed
    for name, data in packed:
        assert PLANTED.encode() not in data, name
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as entries:
                assert not [entry for entry in entries.namelist() if PLANTED.encode() in entries.read(entry)], name


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"http://{USER}:{PASSWORD}@HOST", "http://...@HOST"),
        (f"http://HOST?X-Amz-Signature={SIGNATURE}", "http://HOST?..."),
        ("MEMORY", "memory://...@petals"),
        ("zip://::MEMORY/petals.zip", "zip://::memory://...@petals/petals.zip"),
        ("simplecache::MEMORY", "simplecache::memory://...@petals"),
    ],
)
def test_a_run_leaves_and_says_no_secret(run, here, host, in_memory, url, shown):
    root, shown = url.replace("HOST", host).replace("MEMORY", in_memory), shown.replace("HOST", host)
    status, out, err = run("fit", *TINY, f"--data.root={root}", "--data.remote_limit=900000")
    assert status == 0, err
    assert f"data       {shown}: 32 px" in out
    folder = here / "runs/test_resnet"
    assert json.loads((folder / "summary.json").read_text())["data"]["root"] == shown
    assert yaml.safe_load((folder / "config.yaml").read_text())["data"]["root"] == shown
    assert_nothing_left(here.parent)

    status, _, err = run("fit", f"--resume={folder}", "--trainer.max_epochs=2")
    assert status == MISUSED
    assert err == f"lightning_flowers: --data.root={shown}: its secrets are not kept{err.partition('not kept')[2]}"
    assert len(err.splitlines()) == 1
    if "@HOST" in url:
        assert run("fit", f"--resume={folder}", "--trainer.max_epochs=2", f"--data.root={root}")[0] == 0
        assert run("predict", f"--run={folder}", f"--data.root={root}", "--out=elsewhere")[0] == 0
        assert_nothing_left(here.parent)


def test_a_login_of_netrc_is_used_and_left_nowhere(run, here, host, tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    (home / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    status, _, err = run("fit", *TINY, f"--data.root=http://{host}")
    assert status == 0, err
    assert run("predict", "--run=runs/test_resnet", "--out=elsewhere")[0] == 0
    assert_nothing_left(here.parent)
    (home / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}-old\n")
    assert run("fit", *TINY, f"--data.root=http://{host}/tfrecords-jpeg-32x32")[0] == MISUSED


def test_keys_of_a_bucket_are_used_and_left_nowhere(run, here, petals_root, monkeypatch):
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    keys = {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": PASSWORD, "AWS_SESSION_TOKEN": SIGNATURE}
    for name, value in {**keys, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="petals")
    for path in petals_root.rglob("*.*"):
        if path.is_file():
            client.put_object(Bucket="petals", Key=str(path.relative_to(petals_root)), Body=path.read_bytes())
    client.close()
    status, out, err = run("fit", *TINY, "--data.root=s3://petals", "--data.remote_limit=900000")
    server.stop()
    if server._server:  # else its socket stays open
        server._server.server_close()
    assert status == 0, err
    assert "data       s3://petals: 32 px" in out
    assert_nothing_left(here.parent)
    assert run("fit", *TINY, "--data.root=s3://petals")[0] == MISUSED  # the server has gone


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["fit", "--data.root=http://HOST/nowhere?X-Amz-Signature=SIGN"], "http://HOST/nowhere/listing.txt: not there"),
        (["fit", "--data.root=http://USER:PASS2@HOST"], "in ~/.netrc"),
        (["fit", "--data.root=simplecache::http://USER:PASS@HOST/x"], "simplecache::http://HOST/x: no shards there"),
        (["fit", "--data.root=filecache::zip://::http://USER:PASS@HOST/x.zip"], "http://HOST/x.zip: cannot be opened"),
        (["fit", "--data.root=ftp://USER:PASS@127.0.0.1:9/x"], "ftp://127.0.0.1:9/x: cannot be opened"),
        (["fit", "--data.root=s3://USER:PASS/with/slash@bucket/x"], "s3://...@bucket/x: takes no keys in its URL: set"),
        (["fit", "--data.root=simplecache::gs://PASS@bucket"], "takes no keys in its URL: log in"),
        (["fit", "--data.root=nonsense://USER:PASS@x?token=SIGN"], "nonsense://x: no such URL can be read"),
        (["fit", "--data.extra_roots=[memory://PASS@nowhere]"], "memory://nowhere: no shards there"),
        (["fit", "--data.extra_roots=https://USER:PASS@x"], "data.extra_roots"),
        (["fit", "--data.rot", "https://USER:PASS@x"], "--data.rot"),
        (["fit", "--data.rot=https://x/?sig=SIGN"], "--data.rot=https://x/?..."),
        (["fit", "--model.weights=https://x/w.pth?token=SIGN"], "--model.weights=https://x/w.pth?...: no such file"),
        (["fit", "--trainer.logger=CSVLogger", "--trainer.logger.api_key=PASS"], "api_key"),
        (["fit", "--trainer.max_epochs=https://USER:PASS@x"], "max_epochs"),
        (["test", "--run=http://USER:PASS@x"], "no such folder"),
        (["records", "inspect", "http://USER:PASS@x"], "records reads folders"),
        (["compare", "http://USER:PASS@x"], "http"),
        (["report", "http://USER:PASS@x"], "http"),
        (["ensemble", "--token=SIGN", "x"], "token"),
        (["https://USER:PASS@x"], "no such command"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_without_secrets(run, here, host, petals_root, args, said):
    for name, value in {"HOST": host, "USER": USER, "PASS": PASSWORD, "SIGN": SIGNATURE}.items():
        args, said = [arg.replace(name, value) for arg in args], said.replace(name, value)
    tiny = [*TINY, f"--data.root={petals_root}"] if args[0] == "fit" else []
    status, _, err = run(*args[:1], *tiny, *args[1:])
    assert status
    assert said in err
    assert len(err.splitlines()) == 1
    assert not list(here.iterdir())


def test_keys_and_urls_of_loggers_are_left_out_and_asked_for_again(run, here, petals_root):
    flags = [*TINY, f"--data.root={petals_root}", "--trainer.logger=tests.test_secrets.KeyLogger"]
    keys = [f"--trainer.logger.api_key={SIGNATURE}", f"--trainer.logger.uri=https://{USER}:{PASSWORD}@tracking/x"]
    status, _, err = run("fit", *flags, *keys)
    assert status == 0, err
    assert_nothing_left(here)
    init = yaml.safe_load((here / "runs/test_resnet/config.yaml").read_text())["trainer"]["logger"]["init_args"]
    assert (init["api_key"], init["uri"]) == ("...", "https://...@tracking/x")
    assert run("validate", "--run=runs/test_resnet")[0] == 0  # has no logger
    more = ["fit", "--resume=runs/test_resnet", "--trainer.max_epochs=2"]
    status, _, err = run(*more)
    assert status == MISUSED
    assert "--trainer.logger" in err
    assert "give it again" in err
    assert run(*more, *keys)[0] == 0


def test_print_config_leaves_secrets_out(capfd):
    with pytest.raises(SystemExit):
        main(["fit", f"--data.root=https://{USER}:{PASSWORD}@x/y", "--print_config"])
    out = capfd.readouterr().out
    assert "root: https://...@x/y\n" in out
    assert PLANTED not in out


def test_what_python_prints_of_a_crash_has_no_secret():
    crash = f"""
        import logging, threading
        from lightning_flowers import __main__ as ours

        def fail(error):
            raise error

        def crash(args):
            for error in (OSError(28, "No space"), ValueError("https://{USER}:{PASSWORD}@y")):
                (thread := threading.Thread(target=fail, args=[error])).start()
                thread.join()
            logging.getLogger("a.library").error("https://{USER}:{PASSWORD}@x")
            raise RuntimeError("https://{USER}:{PASSWORD}@x/y?sig={SIGNATURE}")

        ours._run = crash
        ours.program()
    """
    command = [sys.executable, "-c", textwrap.dedent(crash), "fit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("warning: a file: No space\nTraceback")
    assert "ValueError: https://...@y\nhttps://...@x\n" in done.stderr
    assert done.stderr.endswith("RuntimeError: https://...@x/y?...\n")
    assert PLANTED not in done.stderr
