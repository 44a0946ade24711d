"""Files from web servers: faults that pass are waited out, faults that last are told of in one line."""

import sys
import threading
import time

import pytest
from tenacity import RetryCallState

from lightning_flowers.data.sources.remote.filesystem import BACKOFF, is_transient
from lightning_flowers.data.sources.remote.folder import parse_listing
from lightning_flowers.errors import DataError, UserError

SHARD, RANGE = 200_032, 1 << 16  # bytes


@pytest.fixture
def first(shards):
    return next(iter(shards))


def test_a_cut_connection_goes_on_where_it_was_cut(site, open_store, shards, first):
    site.cuts[first] = [RANGE, 5000, 100, 0]  # the first range comes whole
    store = open_store(site.url)
    assert store.get(first).read_bytes() == shards[first]
    assert site.sent[first] == SHARD + 5100


def test_a_server_without_ranges_serves_too(site, open_store, shards, first):
    site.ranges = False
    store = open_store(site.url)
    assert store.get(first).read_bytes() == shards[first]
    assert site.count(first) == 1


def test_a_server_without_ranges_serves_the_rest_of_a_file(site, open_store, shards, first):
    site.statuses[first] = [200, 404]
    with pytest.raises(DataError):
        open_store(site.url).get(first)
    site.ranges = False
    store = open_store(site.url)
    assert store.get(first).read_bytes() == shards[first]
    assert site.count(first) == 3


def test_a_slow_link_is_never_given_up(site, open_store, shards, first, monkeypatch):
    monkeypatch.setattr("lightning_flowers.data.sources.remote.filesystem.SILENCE_TIMEOUT", 0.3)
    site.pace = 0.03  # a range takes longer than the silence that is borne
    store = open_store(site.url)
    assert store.get(first).read_bytes() == shards[first]
    assert site.sent[first] == SHARD


def test_a_silent_link_is_given_up_and_tried_again(site, open_store, shards, first, monkeypatch):
    monkeypatch.setattr("lightning_flowers.data.sources.remote.filesystem.SILENCE_TIMEOUT", 0.2)
    gate, reached = site.gate(first)
    site.spoil = lambda path, body: (gate.set() if site.count(path) > 1 else None) or body
    opener = threading.Thread(target=lambda: (reached.wait(5) and time.sleep(0.5)) or gate.set())
    opener.start()
    assert open_store(site.url).get(first).read_bytes() == shards[first]
    assert site.count(first) > 4
    opener.join()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(site, open_store, shards, first, status):
    site.statuses[first] = [status] * 3
    assert open_store(site.url).get(first).read_bytes() == shards[first]


def test_a_server_that_stays_busy_is_told_of_after_all_attempts(site, open_store, first):
    site.statuses[first] = [503] * 99
    message = rf"{site.url}/{first}: cannot be fetched, tried 4 times \(.*503.*\): check the address and the network"
    with pytest.raises(DataError, match=message):
        open_store(site.url, attempts=4).get(first)
    assert site.count(first) == 4


def test_waits_between_attempts_grow_and_are_bounded():
    state = RetryCallState(None, None, (), {})  # pyright: ignore[reportArgumentType]
    for attempt in range(1, 12):
        state.attempt_number = attempt
        assert min(30, 2 ** (attempt - 1)) <= BACKOFF(state) <= min(30, 2 ** (attempt - 1) + 1)


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "no longer there"), (403, "access refused .*check what it takes"), (401, "access refused"), (400, "400")],
)
def test_what_will_not_pass_is_told_of_at_once(site, open_store, first, status, message):
    site.statuses[first] = [status] * 99
    with pytest.raises(DataError, match=f"{first}: .*{message}"):
        open_store(site.url).get(first)
    assert site.count(first) == 1


def test_a_listed_file_that_is_missing_is_told_of(site, open_store, first):
    del site.files[first]
    with pytest.raises(DataError, match=f"{first}: not there, though it is listed"):
        open_store(site.url).get(first)


def test_a_file_that_is_not_listed_is_told_of(site, open_store):
    with pytest.raises(DataError, match=r"train/99-32x32-2.tfrec: not among the files there"):
        open_store(site.url).get("train/99-32x32-2.tfrec")


def test_what_cannot_be_fetched_ahead_is_told_of_when_it_is_wanted(site, open_store, shards, first):
    second = list(shards)[1]
    site.statuses[second] = [404] * 99
    store = open_store(site.url)
    store.prefetch(list(shards))
    store.get(first)
    with pytest.raises(DataError, match=f"{second}: no longer there"):
        store.get(second)
    del site.statuses[second]
    assert store.get(second).read_bytes() == shards[second]


def spoiled_once(site, path):
    seen = []

    def spoil(asked, body):
        if asked != path or seen:
            return body
        seen.append(asked)
        return body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]

    site.spoil = spoil


def test_a_shard_that_is_damaged_on_its_way_is_fetched_anew(site, open_store, shards, first):
    spoiled_once(site, first)
    store = open_store(site.url)
    assert store.get(first).read_bytes() == shards[first]
    assert site.sent[first] == 2 * SHARD


def test_a_shard_that_is_damaged_at_its_source_is_told_of_by_shard_record_and_byte(site, open_store, shards, first):
    data = bytearray(shards[first])
    data[100_100] ^= 1
    site.files[first] = bytes(data)
    message = rf"^{site.url}/{first}: record 1 at byte 100016: .*\(fetched twice: it is damaged there"
    with pytest.raises(DataError, match=message):
        open_store(site.url).get(first)


def test_a_shard_whose_name_states_another_count_is_told_of(site, open_store, shards, first):
    wrong = first.replace("-2.tfrec", "-3.tfrec")
    site.files = {wrong: shards[first]}
    site.list_files()
    with pytest.raises(DataError, match=f"^{site.url}/{wrong}: holds 2 records, but its name says 3"):
        open_store(site.url).get(wrong)


def test_a_file_that_changes_while_it_is_fetched_is_fetched_anew(site, open_store, shards, first):
    other = list(shards)[1]

    def change(path, body):
        if path == first and site.count(first) == 2:
            site.files[first] = shards[other]
        return body

    site.spoil = change
    assert open_store(site.url).get(first).read_bytes() == shards[other]


def test_a_listing_tells_which_shards_and_tables_there_are(site, open_store, shards):
    site.files |= {"classes.txt": b"rose\ntulip\n", "README": b"", "tfrecords-jpeg-32x32/.tmp.tfrec": b""}
    site.list_files()
    files = open_store(site.url + "/").files()
    assert files == {**dict.fromkeys(shards, SHARD), "classes.txt": 11}
    assert open_store(site.url).get("classes.txt").read_bytes() == b"rose\ntulip\n"


def test_names_are_quoted(site, open_store, shards, first):
    site.files = {"a b/00-32x32-2.tfrec": shards[first]}
    site.list_files()
    site.files["a%20b/00-32x32-2.tfrec"] = shards[first]
    assert open_store(site.url).get("a b/00-32x32-2.tfrec").read_bytes() == shards[first]


def test_a_missing_listing_says_how_to_make_one(site, open_store):
    del site.files["listing.txt"]
    with pytest.raises(DataError, match=rf"{site.url}/listing.txt: not there.*find \. -type f > listing.txt"):
        open_store(site.url).files()


def test_a_listing_without_shards_is_told_of(site, open_store):
    site.files["listing.txt"] = b"readme.txt\n"
    with pytest.raises(DataError, match=f"{site.url}: no shards there .*check the names"):
        open_store(site.url).files()


@pytest.mark.parametrize("line", ["/etc/passwd", "../x.tfrec"])
def test_a_listing_must_hold_paths_within_the_folder(line):
    with pytest.raises(DataError, match=r"u: line 2: .* is not a path within the folder"):
        parse_listing(f"ok.tfrec\n{line}\n".encode(), "u")


def test_a_listing_may_come_from_windows():
    assert parse_listing("\ufeff./a.tfrec\r\n\r\nb.tfrec\r\n".encode(), "u") == ["a.tfrec", "b.tfrec"]


def test_a_listing_must_be_text():
    with pytest.raises(DataError, match="u: not a text file in UTF-8"):
        parse_listing(b"\xff\xfe\x00", "u")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/data", "http://no-such-host.invalid/data"])
def test_a_host_that_is_not_there_is_told_of_in_one_line(open_store, url):
    began = time.monotonic()
    with pytest.raises(DataError, match=rf"^{url}/listing.txt: cannot be fetched, tried 2 times .*check the address"):
        open_store(url).files()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("status", [403, 404, 400, 500])
def test_secrets_in_a_url_are_not_shown(site, open_store, status):
    site.statuses["listing.txt?token=hidden"] = [status] * 9
    with pytest.raises(DataError, match=r"listing.txt: ") as raised:
        open_store(site.url.replace("http://", "http://user:secret@") + "?token=hidden").files()
    assert "secret" not in str(raised.value)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(("url", "package"), [("gs://bucket/petals", "gcsfs"), ("s3://bucket/petals", "s3fs")])
def test_a_missing_driver_says_what_to_install(open_store, monkeypatch, url, package):
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, url.partition(":")[0], raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"{url}: what reads .* is not installed: .*nstall {package}"):
        open_store(url)


def test_an_unknown_kind_of_url_is_told_of(open_store):
    with pytest.raises(UserError, match="nonsense://x: no such URL can be read"):
        open_store("nonsense://x")


@pytest.mark.parametrize(
    ("error", "expected"),
    [(TimeoutError(), True), (ConnectionResetError(), True), (PermissionError(), False), (KeyError("bug"), False)],
)
def test_only_what_may_pass_is_tried_again(error, expected):
    assert is_transient(error) is expected
