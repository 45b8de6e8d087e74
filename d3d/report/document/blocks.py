"""A document made of blocks (headings, paragraphs, notes and tables), written as Markdown or as LaTeX.

Blocks hold plain text, in which only backticks have a meaning. Labels and titles come from anybody's YAML, so that
whatever Markdown or LaTeX would take for a command is escaped here, and nowhere else.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from d3d.text import shown


@dataclass(frozen=True)
class Bold:
    """A table entry in bold."""

    text: str


@dataclass(frozen=True)
class Link:
    """A table entry that leads to a section of the same page of HTML; in other documents it is its text."""

    text: str
    place: str  # of the section


Entry = str | Bold | Link


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
    """A table. `align` has one letter for each column: l left, r right, w words that may be broken over lines.

    `narrow` and `marks` are about the table in a column of a two-column page, d3d/report/document/tabular.py.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    align: str
    narrow: tuple[int, ...] = ()  # numbers of the columns that it has there; empty: all
    marks: tuple[str, ...] = ()  # one for each row, in a last column there; empty: none


Block = Heading | Text | Notes | Grid


def markdown(title: str, blocks: Sequence[Block]) -> bytes:
    """The document as GitHub's Markdown in UTF-8, with a title heading."""
    parts = [f"# {escape_markdown(title)}", *(_markdown(block) for block in blocks)]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def latex(title: str, blocks: Sequence[Block]) -> bytes:
    """The document as LaTeX in UTF-8, to be read with \\input. It needs `booktabs`; the title is only a comment."""
    parts = [f"% {shown(title)}\n% \\usepackage{{booktabs}}", *(_latex(block) for block in blocks)]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, minor):
            return f"{'###' if minor else '##'} {escape_markdown(text)}"
        case Text(text):
            return escape_markdown(text)
        case Notes(lines):
            return "\n".join(f"- {escape_markdown(line)}" for line in lines)
        case Grid(header, rows, align):
            rule = " | ".join("---:" if letter == "r" else ":---" for letter in align)
            head, *body = (_markdown_line(line) for line in (header, *rows))
            return "\n".join([head, f"| {rule} |", *body])


def _markdown_line(entries: Sequence[Entry]) -> str:
    texts = [f"**{_cell(each.text)}**" if isinstance(each, Bold) else _cell(text_of(each)) for each in entries]
    return "| " + " | ".join(texts) + " |"


def _cell(text: str) -> str:
    return escape_markdown(text).replace("|", r"\|")


_MARKDOWN = re.compile(
    r"""[\\*]  # escapes, emphasis
    |<(?=[A-Za-z/!?])  # a tag, a comment or an address
    |&(?=\#?\w+;)  # a character by its name or number
    |\](?=[(\[:])  # a link
    |(?<![^\W_])_|_(?![^\W_])  # emphasis; within a word it is none
    |~(?=~)|(?<=~)~  # struck out
    |^[#>+\-=](?=[\s#\-=]|$)|(?<=^\d)[.)](?=\s)|(?<=^\d\d)[.)](?=\s)  # headings, quotes, lists and rules
    |\$(?=\S[^$]*\$)  # formulas, which GitHub sets""",
    re.VERBOSE,
)


def escape_markdown(text: str) -> str:
    """The text as one line in which Markdown sees nothing but text, and code between backticks.

    Where the backticks are no pairs, they are text too.
    """
    parts = shown(text).split("`")
    if len(parts) % 2 == 0:
        return r"\`".join(_MARKDOWN.sub(r"\\\g<0>", part) for part in parts)
    return "`".join(part if index % 2 else _MARKDOWN.sub(r"\\\g<0>", part) for index, part in enumerate(parts))


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
    texts = [latex_entry(entry) for entry in entries]
    guard = "{}" if texts[0].startswith(("[", "*")) else ""  # or LaTeX reads it as an option of the \\ before
    return guard + " & ".join(texts) + r" \\"


def latex_entry(entry: Entry) -> str:
    """An entry of a table as LaTeX."""
    return rf"\textbf{{{escape(entry.text)}}}" if isinstance(entry, Bold) else escape(text_of(entry))


def text_of(entry: Entry) -> str:
    """The text of an entry of a table."""
    return entry if isinstance(entry, str) else entry.text


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
    "○": r"$\circ$",
    "…": r"\ldots{}",
    "½": r"$\frac{1}{2}$",
    "①": r"\textcircled{1}",
    "②": r"\textcircled{2}",
    "③": r"\textcircled{3}",
    "④": r"\textcircled{4}",
}


def escape(text: str) -> str:
    """The text with characters escaped for LaTeX, including pdflatex, and text between backticks as \\texttt."""
    escaped = "".join(_CHARACTERS.get(character, character) for character in shown(text))
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", escaped)
