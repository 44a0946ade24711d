"""Remote shards: ahead of need, in order, once for all processes of a host, others' removed where there is no room."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightning_flowers.data.conversion.opening import is_url
from lightning_flowers.errors import UserError

from .conftest import wait_until

SHARD = 200_032  # bytes
READER = """
import sys, time
from pathlib import Path
from lightning_flowers.data.sources.remote.store import RemoteStore
from lightning_flowers.data.sources.remote import folder
folder.RANGE = 1 << 16
if __name__ == "__main__":
    store = RemoteStore(sys.argv[1], Path(sys.argv[2]))
    paths = [path for path in store.files() if path.endswith("rec")]
    store.prefetch(paths)
    for path in paths:
        assert store.get(path).stat().st_size
"""


def kept(folder):
    """Names of the whole files in a cache."""
    names = [name for _, _, names in os.walk(folder) for name in names]  # unlike glob, at ease with what vanishes
    return {name[:2] for name in names if name.endswith(".tfrec")}


def start_reader(url, folder):
    return subprocess.Popen([sys.executable, "-c", READER, url, str(folder)], stderr=subprocess.PIPE)


def test_a_url_is_told_from_a_folder():
    assert is_url("gs://bucket/petals")
    assert not is_url("/data/petals")


def test_the_first_shard_is_out_before_the_second_is_in(site, open_store, shards):
    first, second, *_ = shards
    gate, reached = site.gate(second)
    store = open_store(site.url)
    store.prefetch(list(shards))
    assert store.get(first).read_bytes() == shards[first]
    assert reached.wait(5)
    assert site.sent[second] == 0
    gate.set()
    assert {path: store.get(path).read_bytes() for path in shards} == shards
    assert {path: site.sent[path] for path in shards} == dict.fromkeys(shards, SHARD)


def test_a_shard_has_the_name_it_has_at_its_source(site, open_store, shards):
    path = next(iter(shards))
    assert open_store(site.url).get(path).name == "00-32x32-2.tfrec"


def test_what_somebody_waits_for_comes_before_what_is_planned(site, open_store, shards):
    *planned, wanted = shards
    gates = [site.gate(path)[0] for path in planned]
    store = open_store(site.url)
    store.prefetch(planned)
    wait_until(lambda: any(site.count(path) for path in planned))
    assert store.get(wanted).read_bytes() == shards[wanted]
    for gate in gates:
        gate.set()


def test_a_later_plan_comes_before_an_earlier_one(site, open_store, shards, monkeypatch):
    monkeypatch.setattr("lightning_flowers.data.sources.remote.store.THREADS", 1)
    first, second, third, *_ = shards
    gate, reached = site.gate(first)
    store = open_store(site.url)
    store.prefetch([first, second])
    assert reached.wait(5)
    store.prefetch([third])
    gate.set()
    wait_until(lambda: site.sent[second] == SHARD)
    asked = [path for method, path in site.asked if method == "GET"]
    assert asked.index(third) < asked.index(second)


def test_the_longest_unused_files_of_others_make_room(site, open_store, shards, tmp_path):
    a, b, c, d, *_ = shards
    others = open_store(site.url)
    for age, path in enumerate((b, c, a)):
        os.utime(others.get(path), (age, age))
    store = open_store(site.url, limit=3 * SHARD)
    with others.get(b).open("rb") as opened:
        store.get(d)
        assert kept(tmp_path / "cache") == {"00", "01", "03"}
        store.get(c)
        assert kept(tmp_path / "cache") == {"01", "02", "03"}
        store.get(a)
        assert kept(tmp_path / "cache") == {"00", "02", "03"}
        assert opened.read() == shards[b]
    assert others.get(b).read_bytes() == shards[b]


def test_a_file_that_another_store_is_fetching_stays(site, open_store, shards):
    a, b, *_ = shards
    gate, reached = site.gate(a)
    with ThreadPoolExecutor() as pool:
        fetched = pool.submit(open_store(site.url).get, a)
        assert reached.wait(5)
        open_store(site.url, limit=SHARD // 2).get(b)
        gate.set()
        assert fetched.result().read_bytes() == shards[a]


def test_a_folder_that_cannot_be_written_is_told_of(site, open_store, shards, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/cache: remote files cannot be kept there: Not a directory: make room"):
        open_store(site.url, folder=tmp_path / "file" / "cache").get(next(iter(shards)))


def test_what_a_process_has_kept_the_next_one_uses(site, open_store, shards):
    path = next(iter(shards))
    for _ in range(2):
        assert open_store(site.url).get(path).read_bytes() == shards[path]
    assert site.sent[path] == SHARD


def test_another_version_is_never_taken_for_the_old_one(site, open_store, shards):
    path, other, *_ = shards
    open_store(site.url).get(path)
    site.files[path] = shards[other]
    assert open_store(site.url).get(path).read_bytes() == shards[other]


def test_two_processes_fetch_each_shard_once(site, shards, tmp_path):
    readers = [start_reader(site.url, tmp_path / "cache") for _ in range(2)]
    for reader in readers:
        _, said = reader.communicate(timeout=30)
        assert reader.returncode == 0, said.decode()
    assert {path: site.sent[path] for path in shards} == dict.fromkeys(shards, SHARD)


def test_a_killed_process_is_gone_on_from_where_it_stopped(site, open_store, shards, tmp_path):
    first, *_ = shards
    second_range, let_go = threading.Event(), threading.Event()

    def hold_second_range():
        if site.count(first) > 1:
            second_range.set()
            let_go.wait(20)

    site.watch = hold_second_range
    reader = start_reader(site.url, tmp_path / "cache")
    assert second_range.wait(20)
    reader.kill()
    reader.communicate()
    site.watch = lambda: None
    let_go.set()
    assert open_store(site.url).get(first).read_bytes() == shards[first]
    assert site.count(first) == 5  # four ranges, of which the second came in the second process only


def test_an_interrupted_wait_ends_at_once_and_the_store_goes_on_later(site, open_store, shards):
    first, *_ = shards
    gate, reached = site.gate(first)
    store = open_store(site.url)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.get, first)
        assert reached.wait(5)
        store.interrupt()
        with pytest.raises(RuntimeError, match="stopped"):
            waiting.result(5)
    gate.set()
    store.prefetch(list(shards))  # as the next pass does
    assert {path: store.get(path).read_bytes() for path in shards} == shards


def test_a_store_of_which_nothing_more_is_needed_leaves_no_threads(site, open_store, fetch_threads, shards):
    site.gate(list(shards)[1])
    store = open_store(site.url)
    store.prefetch(list(shards))
    store.get(next(iter(shards)))
    assert fetch_threads()
    site.gates.popitem()[1].set()
    wait_until(lambda: not fetch_threads())


def test_a_process_ends_though_it_still_fetches(site, tmp_path):
    site.gate("tfrecords-jpeg-32x32/train/00-32x32-2.tfrec")
    script = READER.partition("    for path")[0] + "    time.sleep(0.5)\n"
    command = [sys.executable, "-c", script, site.url, str(tmp_path / "cache")]
    done = subprocess.run(command, timeout=20, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_files_are_kept_in_the_users_cache_folder_unless_told_otherwise(
    site, open_store, shards, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    path: Path = open_store(site.url, folder=None).get(next(iter(shards)))
    assert path.is_relative_to(tmp_path / "home" / "lightning_flowers" / "shards")
