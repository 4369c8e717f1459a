"""An experiment as a folder for LaTeX: table, figures, references, protocol, and what sets them."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from reslab import disk
from reslab.report.bibliography import references
from reslab.report.figures.draw import CAPTIONS, FIGURES, FOLDER, draw
from reslab.report.latex import table_tex
from reslab.report.latex_text import escaped
from reslab.report.protocol import Paragraph, protocol, verdicts
from reslab.report.runs import outcomes_of
from reslab.report.table import tabulated
from reslab.report.values import Table
from reslab.store.plan import Plan

MAIN = r"""%% made by make paper, and made anew by it: copy it before you change it
\documentclass{article}
\usepackage[a4paper, margin=19mm]{geometry}
\usepackage{array, booktabs, graphicx, siunitx, url}
\emergencystretch=3em
\makeatletter  %% figures at the size that they are drawn for, as far as the line holds them
\setkeys{Gin}{width=\ifdim\Gin@nat@width>\linewidth\linewidth\else\Gin@nat@width\fi}
\makeatother
\renewcommand{\labelitemi}{$\bullet$}  %% the text's own stands in another font
\begin{document}
\section*{%s}
\input{table.tex}
\input{verdicts.tex}
%s\section*{Protocol}
\input{protocol.tex}
%s\end{document}
"""
FIGURE = r"""\begin{figure}[htbp]
\centering
\includegraphics{%s}
\caption{%s}
\end{figure}
"""
ITEMS = "\\begin{itemize}\\setlength{\\itemsep}{0pt}\n%s\\end{itemize}\n"
BIBLIOGRAPHY = r"""\bibliographystyle{unsrt}
\bibliography{references}
"""


def write(plan: Plan) -> list[Path]:
    """Fill `paper/` beside the plan's table; its files, `main.tex` last.

    It takes a plan that is not finished, too: what is missing stands in the protocol.
    """
    folder = plan.home / "paper"
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = outcomes_of(plan)
    table = tabulated([(plan, outcomes)])
    figures = [*draw(plan, folder=folder, kinds=["pdf"]), *_drawn_before(plan, folder)]
    written = {
        "table.tex": table_tex(table),
        "verdicts.tex": _paragraphs(verdicts(table)),
        "protocol.tex": "\n".join([_paragraphs(protocol(table, outcomes)), *_sources(table)]),
        "references.bib": references(note.paper for note in table.sources),
        "main.tex": _main(plan, figures, has_references=bool(table.sources)),
    }
    for name, text in written.items():
        disk.write_text(folder / name, text)
    return [*figures, *(folder / name for name in written)]


def _drawn_before(plan: Plan, folder: Path) -> Iterator[Path]:
    """Copies of figures that need more than files of runs, where somebody has drawn them."""
    for name in (name for name in CAPTIONS if name not in FIGURES):
        found, copied = plan.home / FOLDER / f"{name}.pdf", folder / f"{name}.pdf"
        if found.exists():
            disk.write_bytes(copied, found.read_bytes())
            yield copied


def how_to_set(main: Path) -> str:
    """The command that makes a PDF of it."""
    latex = "pdflatex -interaction=nonstopmode main"
    cited = ["bibtex main", latex] if BIBLIOGRAPHY in main.read_text(encoding="utf-8") else []
    commands = [f"cd {shlex.quote(str(main.parent))}", latex, *cited, latex]
    return f"\n  {' && '.join(commands)}"


def _paragraphs(paragraphs: Sequence[Paragraph]) -> str:
    return "\n".join(map(_paragraph, paragraphs))


def _paragraph(paragraph: Paragraph) -> str:
    told = escaped(" ".join(paragraph.sentences))
    items = "".join(f"\\item {escaped(item)}\n" for item in paragraph.items)
    return f"\\paragraph{{{escaped(paragraph.heading)}.}} {told}\n{ITEMS % items if items else ''}"


def _sources(table: Table) -> Iterator[str]:
    """Of each published number's table the short reference, and the work as a citation."""
    told = [
        f"{escaped(note.text.partition(': ')[0])}~\\cite{{{note.paper}}}" for note in table.sources
    ]
    if told:
        yield f"\\paragraph{{Published numbers.}} They stand in {'; '.join(told)}.\n"


def _main(plan: Plan, figures: Sequence[Path], has_references: bool) -> str:
    title = escaped(plan.title)
    shown = "".join(
        FIGURE % (path.name, f"{title}. {escaped(CAPTIONS[path.stem])}") for path in figures
    )
    return MAIN % (title, shown, BIBLIOGRAPHY if has_references else "")
