"""A server in a process of its own: slow clients, clients that leave, an end in the middle of work."""

import signal
import socket
import threading
import time

import pytest

from lightning_flowers.serve import server as server_of

BODY = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%s\r\n--b--\r\n'
HEAD = (
    b"POST /v1/predict HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"
)


@pytest.fixture(scope="module")
def server(start):
    """Its model takes half a second a batch of 1."""
    return start(0.5, max_batch=1, body_seconds=0.3, header_seconds=0.3, queue=16)


@pytest.fixture
def connect(server):
    opened = []

    def to_server(port=server[1]):
        opened.append(socket.create_connection(("127.0.0.1", port), timeout=20))
        return opened[-1]

    yield to_server
    for one in opened:
        one.close()


def whole(picture):
    body = BODY % picture()
    return HEAD % len(body) + body


def read_all(connection):
    received = b""
    while piece := connection.recv(1 << 16):
        received += piece
    return received


def ask(connection, path):
    connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path)
    return read_all(connection)


def test_a_head_that_does_not_come_is_not_waited_for(connect):
    for sent in (b"", b"GET / HTTP/1.1\r\nHost"):
        connection = connect()
        connection.sendall(sent)
        began = time.monotonic()
        assert read_all(connection) == b""
        assert time.monotonic() - began < 5


def test_a_body_that_does_not_come_is_not_waited_for(connect):
    connection = connect()
    connection.sendall(HEAD % 1000 + b"--b\r\n")
    assert read_all(connection).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_leaves_is_not_answered(connect, picture):
    before = int(float(_metric(ask(connect(), b"/metrics"), b"flowers_batch_pictures_sum")))
    first, second = connect(), connect()
    first.sendall(whole(picture))
    time.sleep(0.1)
    second.sendall(whole(picture))  # waits in the queue
    time.sleep(0.1)
    second.close()
    assert b" 200 OK" in first.recv(100)
    time.sleep(0.7)
    said = ask(connect(), b"/metrics")
    assert b'status="499"} 1.0' in said
    assert int(float(_metric(said, b"flowers_batch_pictures_sum"))) == before + 1
    assert _metric(said, b"flowers_pictures_under_way") == b"0.0"


def _metric(text, name):
    return next((line.split()[-1] for line in text.splitlines() if line.startswith(name + b" ")), b"0")


def test_a_slow_body_holds_no_place_in_the_queue(connect, picture):
    for _ in range(16):  # all that there are
        connect().sendall(HEAD % 1000 + b"--b\r\n")
    last = connect()
    last.sendall(whole(picture))
    assert b" 200 OK" in last.recv(100)


def test_an_answer_does_not_wait_for_the_clients_acknowledgement():
    with server_of.bind("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP  # asyncio asks for it


def test_sigterm_lets_what_is_under_way_finish(server, connect, picture):
    process, port = server  # it is the last that asks this one
    connections = [connect(port) for _ in range(3)]
    answers = []
    for connection in connections:
        connection.sendall(whole(picture))
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    readers = [threading.Thread(target=lambda one=one: answers.append(read_all(one))) for one in connections]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(20)
    assert [answer.split(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 3
    assert process.wait(20) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
