"""Published numbers, protocols, and where they come from: one data file per paper. No torch."""

from reslab.papers.published import (
    DETAILS,
    Counts,
    Published,
    Training,
    cell,
    counts,
    protocol_of,
    table,
    top5,
)
from reslab.papers.schema import Paper, Table, Views, paper_names, read_paper

__all__ = [
    "DETAILS",
    "Counts",
    "Paper",
    "Published",
    "Table",
    "Training",
    "Views",
    "cell",
    "counts",
    "paper_names",
    "protocol_of",
    "read_paper",
    "table",
    "top5",
]
