"""A document made of blocks (headings, paragraphs, notes and tables), written as Markdown or as LaTeX."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bold:
    """A table entry in bold."""

    text: str


Entry = str | Bold


@dataclass(frozen=True)
class Heading:
    """The heading of a section, or of a subsection if it is `minor`."""

    text: str
    minor: bool = False


@dataclass(frozen=True)
class Text:
    """A paragraph. Text between backticks is set as code."""

    text: str


@dataclass(frozen=True)
class Notes:
    """Footnotes, one for each line."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table. `align` has one letter for each column: l left, r right, w words that may be broken over lines."""

    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    align: str


Block = Heading | Text | Notes | Grid


def markdown(title: str, blocks: Sequence[Block]) -> bytes:
    """The document as GitHub's Markdown in UTF-8, with a title heading."""
    parts = [f"# {title}", *(_markdown(block) for block in blocks)]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def latex(title: str, blocks: Sequence[Block]) -> bytes:
    """The document as LaTeX in UTF-8, to be read with \\input. It needs `booktabs`; the title is only a comment."""
    parts = [f"% {title}\n% \\usepackage{{booktabs}}", *(_latex(block) for block in blocks)]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, minor):
            return f"{'###' if minor else '##'} {text}"
        case Text(text):
            return text
        case Notes(lines):
            return "\n".join(f"- {line}" for line in lines)
        case Grid(header, rows, align):
            rule = ["---:" if letter == "r" else ":---" for letter in align]
            return "\n".join(_markdown_line(line) for line in (header, rule, *rows))


def _markdown_line(entries: Sequence[Entry]) -> str:
    texts = [f"**{entry.text}**" if isinstance(entry, Bold) else entry for entry in entries]
    return "| " + " | ".join(" ".join(text.split()).replace("|", r"\|") for text in texts) + " |"


def _latex(block: Block) -> str:
    match block:
        case Heading(text, minor):
            return rf"\par\medskip\noindent\{'textit' if minor else 'textbf'}{{{escape(text)}}}\par"
        case Text(text):
            return rf"\par\noindent {escape(text)}\par"
        case Notes(lines):
            return "\n".join(rf"\par\noindent{{\footnotesize {escape(line)}\par}}" for line in lines)
        case Grid():
            return _tabular(block)


def _tabular(grid: Grid) -> str:
    wide = 0.8 / max(3, len(grid.align))  # of the line width, for a column of words
    columns = "".join(rf"p{{{wide * 1.6:.2f}\linewidth}}" if letter == "w" else letter for letter in grid.align)
    lines = [
        r"\par\noindent{\footnotesize",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _latex_line(grid.header),
        r"\midrule",
        *(_latex_line(row) for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}\par}",
    ]
    return "\n".join(lines)


def _latex_line(entries: Sequence[Entry]) -> str:
    texts = [rf"\textbf{{{escape(entry.text)}}}" if isinstance(entry, Bold) else escape(entry) for entry in entries]
    guard = "{}" if texts[0].startswith(("[", "*")) else ""  # or LaTeX reads it as an option of the \\ before
    return guard + " & ".join(texts) + r" \\"


_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "—": "---",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "·": r"$\cdot$",
    "→": r"$\to$",
    "τ": r"$\tau$",
    "σ": r"$\sigma$",
    "²": r"$^2$",
    "†": r"\dag{}",
    "✓": r"$\surd$",
    "…": r"\ldots{}",
    "½": r"$\frac{1}{2}$",
    "①": r"\textcircled{1}",
    "②": r"\textcircled{2}",
    "③": r"\textcircled{3}",
    "④": r"\textcircled{4}",
}


def escape(text: str) -> str:
    """The text with characters escaped for LaTeX, including pdflatex, and text between backticks as \\texttt."""
    escaped = "".join(_CHARACTERS.get(character, character) for character in " ".join(text.split()))
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", escaped)
