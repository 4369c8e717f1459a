"""A table for LaTeX: booktabs' rules, siunitx's S columns, references as citations.

Numbers stand under each other by their points and their ±; what is no number ("running", "–") is
text in its column. Counts have the column's prefix in its head and not in each cell.
"""

import re
from collections.abc import Mapping, Sequence

from reslab.report.latex_text import escaped
from reslab.report.text import prefix_of
from reslab.report.values import FORMATS, Cell, Column, Table

NEEDS = "% needs \\usepackage{booktabs}, \\usepackage{graphicx} and \\usepackage{siunitx}\n"
NUMBER = re.compile(
    r"(?P<sign>[+−]?)(?P<whole>\d+)(\.(?P<part>\d+))?( ± (–|(?P<spread>\d+(\.\d+)?)))?"
)
"""A number as people read it; the spread of a single run is a dash."""
SPREAD = ", separate-uncertainty, table-align-uncertainty=false"
"""± 1.17, with as much room about the sign as in a formula."""
WIDE = 40
"""Letters in a column of text from which on its lines are broken."""
BEGIN = r"""\begin{table}[htbp]
\centering
\caption{%s}
\label{tab:%s}
\medskip
\footnotesize
\setlength{\tabcolsep}{4pt}
\setbox0=\hbox{%%
\begin{tabular}{@{}%s@{}}
\toprule
"""
END = r"""\bottomrule
\end{tabular}}%
\ifdim\wd0>\linewidth \resizebox{\linewidth}{!}{\box0}\else \box0 \fi
\end{table}
"""
"""A table that is wider than the line is made smaller."""


def table_tex(table: Table) -> str:
    """A floating table with its caption and the label `tab:` and the plan's name."""
    keys = {note.text: note.paper for note in table.sources}
    cells = [[row[column.key] for row in table.rows] for column in table.columns]
    columns = [_set(*each, keys) for each in zip(table.columns, cells, strict=True)]
    heads, specs, entries = zip(*columns, strict=True)
    lines = [" & ".join(line) + r" \\" + "\n" for line in (heads, *zip(*entries, strict=True))]
    begin = BEGIN % (_caption(table), label_of(table.plans[0][0]), " ".join(specs))
    return NEEDS + begin + lines[0] + "\\midrule\n" + "".join(lines[1:]) + END


def label_of(name: str) -> str:
    """A name as a part of \\label, of letters that no package makes active."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)


def _caption(table: Table) -> str:
    told = [note.text for note in table.told("caption")]
    return escaped(" ".join([f"{title}." for _, title in table.plans] + told))


def _cited(cell: Cell, keys: Mapping[str, str]) -> str:
    return f"~\\cite{{{keys[cell.source]}}}" if cell.source else ""


def _set(
    column: Column, cells: Sequence[Cell], keys: Mapping[str, str]
) -> tuple[str, str, list[str]]:
    """A column's head, how it is set, and its entries, which cite what they are from."""
    prefix, texts = _in_common(column, cells)
    head = f"{{{escaped(column.head + prefix)}}}"
    numbers = [NUMBER.fullmatch(text) for text in texts]
    if not FORMATS[column.kind].numeric or not any(numbers):
        longest = max(map(len, texts), default=0)
        spec = "l" if longest <= WIDE else r">{\raggedright\arraybackslash}p{18em}"
        entries = map(escaped, texts)
    else:
        spec = _s_column([number for number in numbers if number])
        entries = map(_number_or_text, texts, numbers)
    cited = [_cited(cell, keys) for cell in cells]
    return head, spec, [entry + cite for entry, cite in zip(entries, cited, strict=True)]


def _number_or_text(text: str, number: re.Match[str] | None) -> str:
    """In braces siunitx takes no notice of it."""
    if number is None:
        return f"{{{escaped(text)}}}"
    return text.replace("−", "-").removesuffix(" ± –").replace("±", "+-")


def _in_common(column: Column, cells: Sequence[Cell]) -> tuple[str, list[str]]:
    """Counts as multiples of what the smallest is counted in, with three digits of it; a cell that
    says more than its count, and every other kind, as it reads."""
    counts = [_count(column, cell) for cell in cells]
    smallest = min(filter(None, counts), default=0)
    power, prefix = prefix_of(smallest)
    digits = max(0, 3 - len(str(round(smallest / 10**power)))) if power else 0
    texts = [
        cell.text if count is None else f"{count / 10**power:.{digits}f}"
        for cell, count in zip(cells, counts, strict=True)
    ]
    return (f" ({prefix})" if prefix else ""), texts


def _count(column: Column, cell: Cell) -> int | None:
    """What a cell of counts says that says nothing else."""
    count = cell.value
    if column.kind != "count" or not isinstance(count, int):
        return None
    return count if cell.text == FORMATS["count"].text(count) else None


def _s_column(numbers: Sequence[re.Match[str]]) -> str:
    """As much room as the widest number needs on each side of its point, for a sign, and for ±."""
    signed = any(number["sign"] for number in numbers)
    whole, part = (max(len(number[name] or "") for number in numbers) for name in ("whole", "part"))
    spread = max(len((number["spread"] or "").replace(".", "")) for number in numbers)
    room = f"{'+' * signed}{whole}.{part}{f'({spread})' * bool(spread)}"
    more = SPREAD * bool(spread) + ", retain-explicit-plus" * signed
    return f"S[table-format={room}{more}]"
