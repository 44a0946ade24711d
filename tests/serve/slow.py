"""A server whose model takes its time: `slow.py SECONDS SETTINGS`; prints its port."""

import ast
import importlib.util
import sys
import time
from pathlib import Path

from lightning_flowers.serve import server
from lightning_flowers.serve.app import build
from lightning_flowers.serve.settings import Settings

spec = importlib.util.spec_from_file_location("shared", Path(__file__).parent / "conftest.py")
assert spec
assert spec.loader
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
settings = Settings(**ast.literal_eval(sys.argv[2]))
predictor = shared.Colours(lambda count: time.sleep(float(sys.argv[1])))
with server.bind("127.0.0.1", 0) as listening:
    port = listening.getsockname()[1]
    server.serve(build(predictor, settings), listening, settings, lambda: print(port, flush=True))
