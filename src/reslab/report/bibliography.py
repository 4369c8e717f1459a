"""Works as BibTeX entries, from the citations of papers' data files."""

from collections.abc import Iterable, Iterator

from reslab.papers.schema import Citation, read_paper
from reslab.report.latex_text import escaped

NEEDS = "% needs \\usepackage{url} or \\usepackage{hyperref}\n"


def references(names: Iterable[str]) -> str:
    """An entry for each paper, by the name of its data file, which is its key."""
    entries = [entry(name, read_paper(name).citation) for name in dict.fromkeys(names)]
    return "\n".join([NEEDS, *entries])


def entry(key: str, work: Citation) -> str:
    """@inproceedings or @article with all that these need; else @misc, whatever is known."""
    kind = "inproceedings" if work.booktitle else "article" if work.journal else "misc"
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in _fields(key, work))
    return f"@{kind}{{{key},\n{lines}}}\n"


def _fields(key: str, work: Citation) -> Iterator[tuple[str, str]]:
    """Names and values; a title keeps its capitals."""
    if work.authors:
        yield "author", " and ".join(map(escaped, work.authors.split(", ")))
    else:
        yield "key", key
    yield "title", f"{{{escaped(work.translated or work.title)}}}"
    for name in ("booktitle", "journal"):
        if value := getattr(work, name):
            yield name, escaped(value)
    if year := work.appeared or work.year:
        yield "year", str(year)
    if work.arxiv:
        yield "eprint", work.arxiv
        yield "archiveprefix", "arXiv"
    if work.url:
        yield "howpublished", f"\\url{{{work.url}}}"
    elif work.arxiv and not (work.booktitle or work.journal):
        yield "howpublished", f"arXiv:{work.arxiv}"
    if work.translated:
        yield "note", "Title translated"
