"""Everything that depends on the accelerator: which one, its precision and strategy, copies to it, memory and layout.

The only room that knows XLA, CUDA and CPU; torch_xla is imported only in `hardware.xla`, and only when a TPU is used.
"""

from lightning_flowers.cgroups import cpu_count
from lightning_flowers.hardware.choice import choose_accelerator, choose_precision, has_tpu
from lightning_flowers.hardware.host import (
    as_found,
    compile_module,
    compiled,
    describe,
    fuses,
    keep_freed_memory,
    pins_memory,
    prepare_host,
    random_state,
    reads_cheaply,
    scalar,
    set_random_state,
    sync,
    to_channels_last,
    wait,
)
from lightning_flowers.hardware.inference import device_of, prepare_for_inference, to_batch
from lightning_flowers.hardware.launch import Launch, agree, launched
from lightning_flowers.hardware.memory import free_memory, is_out_of_memory, runs_out, sums_gradients
from lightning_flowers.hardware.processes import cores_each, from_first, gather, summed
from lightning_flowers.hardware.settings import (
    all_rows,
    allow_new_graph,
    begin_phase,
    check_launcher,
    check_trainer,
    device_count,
    end_others,
    for_trainer,
    replicate,
    replicated,
    starts_others,
)
