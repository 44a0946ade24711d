"""The notebook for Kaggle runs from its first cell to its last."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "kaggle" / "petals.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def shown(notebook, kind):
    """What cells have shown of a kind."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


def test_it_is_kept_without_outputs(notebook):
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.slow
def test_it_runs_to_the_submission(notebook, petals_root, tmp_path):
    settings = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    settings.source += f'\nROOT, BACKBONE, WEIGHTS, EPOCHS = {str(petals_root)!r}, "test_resnet", "none", 2'
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert len(shown(notebook, "image/png")) == 3
    assert len(shown(notebook, "text/html")) == 2
    lines = (tmp_path / "submission.csv").read_text().splitlines()
    assert (lines[0], len(lines)) == ("id,label", 10)
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert len([line for line in said.splitlines() if line.startswith("epoch")]) == 4
