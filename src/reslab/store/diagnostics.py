"""`diagnostics.jsonl`: what a run with `diagnostics: true` has measured of its net, a row a time.

`{"step": 1, "gradients": {"conv1": 0.8, …}}`: norms, of about 20 steps of the training;
`{"step": 400, "responses": {"conv1": 1.2, …}}`: standard deviations, of the weights that were
tested. A number that is not finite is null.
"""

from pathlib import Path

from reslab.store.folder import DIAGNOSTICS, Row
from reslab.store.metrics import read_metrics


def read_diagnostics(folder: Path) -> list[Row]:
    """All rows, without lines that a kill or somebody else has damaged; none of a run that did not
    measure."""
    return read_metrics(folder, DIAGNOSTICS)
