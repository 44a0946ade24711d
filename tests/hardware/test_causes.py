from lightning_flowers.hardware.xla.causes import Cause, parse

RULE = "=" * 80
READ = "most likely user code trying to access tensor value before torch_xla.sync"
STEP = "user torch_xla.sync"


def analysis(why, *frames):
    """What torch_xla 2.9 writes about a graph that it compiles."""
    lines = [RULE, "Compilation Cause", f"  {why}", "Graph Info: ", "  Graph Hash: 4e8c", "  Number of Graph Inputs: 1",
             "Python Frame Triggered Execution: ", *(f"  {frame}" for frame in frames), "-" * 80, RULE]  # fmt: skip
    after = f"Post Compilation Analysis: {RULE}\nPost Compilation Analysis: Graph input size: 0.0 GB\n"
    return (
        "\n"
        + "\n".join(f"Compilation Analysis: {line}" for line in lines)
        + f"\n\nComputation hash: a1\n\n{after}Post Compilation Analysis: {RULE}\n"
    )


def test_each_graph_has_its_cause_and_line():
    text = analysis(READ, "on_fit_end (/home/me/mine.py:7)", "fit (/site/pytorch_lightning/trainer/trainer.py:584)")
    text += analysis(STEP, "step (/home/me/loop.py:3)")
    assert parse(text) == [Cause(READ, "on_fit_end (/home/me/mine.py:7)"), Cause(STEP, "step (/home/me/loop.py:3)")]


def test_the_line_is_the_innermost_outside_of_torch():
    frames = [
        "sync (/site/torch_xla/torch_xla.py:87)",
        "sync (/site/lightning_flowers/hardware/xla/runtime.py:76)",
        "_and_sync (/site/lightning_flowers/hardware/xla/strategy.py:130)",
        "validation_step (/site/lightning_flowers/hardware/xla/strategy.py:70)",
        "main (/home/me/train.py:3)",
    ]
    assert parse(analysis(STEP, *frames))[0].where == frames[3]


def test_where_all_is_torch_its_own_line_is_told():
    assert parse(analysis(STEP, "sync (/site/torch_xla/torch_xla.py:87)"))[0].where.startswith("sync ")


def test_nothing_was_compiled():
    assert parse("") == []
