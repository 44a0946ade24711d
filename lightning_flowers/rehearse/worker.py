"""Compiles one graph with libtpu for a TPU that is not there. A script: any Python that has jax and libtpu can run it.

    python worker.py JOB.json RESULT.json

The job: `hlo` (file), `topology`, `cores`, `donated` (numbers of parameters), `effort` (-1.0..1.0, 0.0 is a run's). The
result: `seconds`, `memory`, `flops`, `bytes`, `text` (the optimized program); or `error`.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from jax._src.interpreters import mlir
from jax._src.lib import xla_client as _xla_client  # pyright: ignore[reportPrivateImportUsage]
from jax._src.lib.mlir import ir as _ir  # pyright: ignore[reportPrivateImportUsage]
from jax.experimental import topologies

xla_client: Any = _xla_client
ir: Any = _ir
try:
    from jaxlib import _hlo  # pyright: ignore[reportAttributeAccessIssue]

    hlo: Any = _hlo
except ImportError:  # before jax 0.10
    hlo = xla_client._xla

# torch_xla hands over so many parameters as one tuple (parameter_wrapping_threadshold in xla_graph_executor.cpp, 2.9):
# chips take but a number of them (a v3 3,294).
_TUPLED_FROM = 3200
_MEMORY = ("argument", "output", "alias", "temp", "generated_code")


def compile_graph(job: dict[str, Any]) -> dict[str, Any]:
    """Compile, and tell what the compiler knows.

    Raises:
        Exception: whatever libtpu has against the graph.
    """
    devices = topologies.get_topology_desc(platform="tpu", topology_name=job["topology"]).devices[: job["cores"]]
    graph = _read(Path(job["hlo"]).read_text("utf-8"), job["donated"])
    began = time.perf_counter()
    program = _compile(graph, devices, job["effort"])
    seconds = time.perf_counter() - began
    stats, cost = program.get_compiled_memory_stats(), program.cost_analysis()
    cost = cost[0] if isinstance(cost, list) else cost
    return {
        "seconds": seconds,
        "memory": {name: getattr(stats, f"{name}_size_in_bytes") for name in _MEMORY},
        "flops": cost.get("flops", 0.0),
        "bytes": cost.get("bytes accessed", 0.0),
        "text": program.hlo_modules()[0].to_string(),
    }


def _read(text: str, donated: list[int]) -> Any:
    """A traced graph as MLIR; on the way the marks of donated parameters would get lost."""
    computation = getattr(hlo, "XlaComputation", None) or xla_client.XlaComputation
    proto = computation(hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto())
    with mlir.make_ir_context():
        module = ir.Module.parse(xla_client._xla.mlir.xla_computation_to_mlir_module(proto))
        main = _main(module)
        if len(main.arguments):
            marks = [{mark.name: mark.attr for mark in marked} for marked in main.arg_attrs]
            for number in donated:
                marks[number]["jax.buffer_donor"] = ir.BoolAttr.get(True)
            main.arg_attrs = ir.ArrayAttr.get([ir.DictAttr.get(mark) for mark in marks])
    return module


def _main(module: Any) -> Any:
    return next(operation for operation in module.body.operations if str(operation.name) == '"main"')


def _compile(module: Any, devices: list[Any], effort: float) -> Any:
    """As torch_xla compiles in SPMD mode (PjRtComputationClient::Compile)."""
    options = xla_client.CompileOptions()
    options.num_replicas, options.num_partitions = 1, len(devices)
    options.parameter_is_tupled_arguments = len(_main(module).arguments) >= _TUPLED_FROM
    build = options.executable_build_options
    build.num_replicas, build.num_partitions, build.use_spmd_partitioning = 1, len(devices), True
    build.allow_spmd_sharding_propagation_to_output = [True]
    build.device_assignment = xla_client.DeviceAssignment.create(np.arange(len(devices)).reshape(1, -1))
    build.exec_time_optimization_effort = build.memory_fitting_effort = effort
    client, cores = devices[0].client, xla_client.DeviceList(tuple(devices))
    try:
        return client.compile(module, cores, options)
    except TypeError:  # jaxlib 0.7 takes it as bytes
        return client.compile(mlir.module_to_bytecode(module), cores, options)


def main(job: str, result: str) -> None:
    """Do the job of a file."""
    try:
        done = compile_graph(json.loads(Path(job).read_text("utf-8")))
    except Exception as error:
        done = {"error": str(error)}
    Path(result).write_text(json.dumps(done), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
