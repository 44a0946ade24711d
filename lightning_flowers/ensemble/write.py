"""The folder of a blend, which reads as a run's: settings, predictions, submission, summary."""

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.conversion.opening import find_source
from lightning_flowers.data.sources.competition import Source
from lightning_flowers.ensemble.members import Members, Stack
from lightning_flowers.ensemble.record import config_of, data_of, summary_of
from lightning_flowers.ensemble.result import Outcome
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.blend import Terms
from lightning_flowers.files import write_text
from lightning_flowers.run import submission
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions, write_answers


def write_blend(folder: RunFolder, outcome: Outcome) -> list[str]:
    """Make the folder and all that is in it, the summary last; what cannot be made whole is removed again.

    Returns:
        Lines that tell what was written.

    Raises:
        DataError: the test records are not those of the competition's sample; nothing was written then.
        UserError: the folder cannot be made.
    """
    members = outcome.members
    source = _find_source(members)
    if members.test and source:
        submission.check_ids(members.test.ids.tolist(), source.sample_submission())
    folder.make()
    try:
        return _fill(folder, outcome, source)
    except BaseException:
        folder.discard_untrained()
        raise


def _fill(folder: RunFolder, outcome: Outcome, source: Source | None) -> list[str]:
    members = outcome.members
    write_text(folder.config, config_of(outcome))
    lines = [_line("decision", outcome.adjustment.describe())] if outcome.adjustment else []
    _save(folder, "val", _predictions(members, members.val, outcome.taken.blend), outcome, lines)
    if members.test:
        lines += _write_test(folder, outcome, members.test, source)
    else:
        lines.append(_line("submission", "none: no run of these predicts test"))
    folder.write_summary(summary_of(outcome))
    return lines


def _write_test(folder: RunFolder, outcome: Outcome, test: Stack, source: Source | None) -> list[str]:
    lines: list[str] = []
    blend = Terms(outcome.options.method, test.probabilities).blend(outcome.taken.weights)
    predictions = _predictions(outcome.members, test, blend)
    decided = _save(folder, "test", predictions, outcome, lines)
    sample, data = source.sample_submission() if source else None, data_of(outcome.members)
    mark = f" (trained on {data.beyond})" if data.beyond else ""
    for path in submission.write_submission(folder.submission, predictions, sample, decided):
        lines.append(_line("submission", f"{path}{mark}"))
    if sample is None:
        lines.append(_line("unchecked", "the submission's ids: no sample_submission.csv lies by the runs' data"))
    classes = data.class_names or (source.classes if source else ())
    message = ", ".join(filter(None, [folder.path.name, data.beyond]))
    send = submission.how_to_send(folder.submission, classes, source.where if source else "", message)
    return [*lines, _line("send it", send)] if send else lines


def _find_source(members: Members) -> Source | None:
    """The data of the first run whose data still lie where they lay."""
    names = data_of(members).class_names
    for root in dict.fromkeys(run.data.root for run in members.runs if run.data.root):
        with suppress(UserError):
            source = find_source(root)
            if not names or source.classes == names:  # others would number the submission otherwise
                return source
    return None


def _predictions(members: Members, stack: Stack, blend: NDArray[np.float32]) -> Predictions:
    return Predictions(stack.ids, blend, stack.labels, members.external)


def _save(
    folder: RunFolder, split: str, predictions: Predictions, outcome: Outcome, lines: list[str]
) -> NDArray[np.int64] | None:
    """Write the predictions of a split; gives its labels where they are decided otherwise than by argmax."""
    predictions.save(folder.predictions(split))
    lines.append(_line("predicted", str(folder.predictions(split))))
    decided = outcome.adjustment.decide(predictions.probabilities) if outcome.adjustment else None
    write_answers(folder, split, predictions, data_of(outcome.members).class_names, decided)
    return decided


def _line(what: str, text: str) -> str:
    return f"{what:<11}{text}"
