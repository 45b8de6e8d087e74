import re
import shutil
import subprocess
from pathlib import Path

import pytest

from d3d.report.document.blocks import (
    Block,
    Bold,
    Grid,
    Heading,
    Notes,
    Text,
    escape,
    escape_markdown,
    latex,
    markdown,
)

NASTY = r"""50 % of $x_1 & #2 {a} ~ b^c \d > e < f | g — h – i − j × k ± ≤ ≥ · → τ σ ² † ✓ … ½ ①②③④ "q" `cd a_b`"""
BLOCKS: list[Block] = [
    Text(NASTY),
    Grid(("row", "top-1", "words"), (("[a] x", Bold("1"), NASTY), ("* y_z", "—", ""), ("|", "3", "w")), "lrw"),
    Notes((f"[a] {NASTY}", "— not finished")),
    Heading("Verdict & more"),
]


def test_markdown_tables_have_as_many_cells_in_every_line() -> None:
    lines = [line for line in markdown("T", BLOCKS).decode().splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}
    assert lines[1] == "| :--- | ---: | :--- |"
    assert "**1**" in lines[2]


def test_latex_tabulars_have_as_many_cells_in_every_line() -> None:
    text = latex("T", BLOCKS).decode()
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + 3
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {2}
    assert all(text.count(command) == 1 for command in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"))


def test_latex_braces_match() -> None:
    text = re.sub(r"\\[{}]", "", latex("T", BLOCKS).decode())
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


def test_a_line_does_not_begin_with_what_ends_the_one_before() -> None:
    text = latex("T", BLOCKS).decode()
    assert not re.search(r"(\\\\|\\midrule)\s*[\[*]", text)


def test_text_is_printed_as_it_is() -> None:
    assert escape("a_b & 5 % {x}") == r"a\_b \& 5 \% \{x\}"
    assert escape("run `a_b > c`") == r"run \texttt{a\_b $>$ c}"
    assert escape("\\") == r"\textbackslash{}"
    assert escape("two\nlines") == "two lines"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX on this machine")
def test_latex_compiles(tmp_path: Path) -> None:
    (tmp_path / "part.tex").write_bytes(latex("T", BLOCKS))
    main = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{part}\end{document}"
    (tmp_path / "main.tex").write_text(main)
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]


INJECTED = "one\n\\input{/etc/passwd}\n<script>alert(1)</script>\n# [x](http://x) \x1b[2J"


def test_no_text_gives_a_document_a_line_or_a_command() -> None:
    blocks: list[Block] = [
        Heading(INJECTED),
        Text(INJECTED),
        Notes((INJECTED,)),
        Grid((INJECTED,), ((INJECTED,),), "l"),
    ]
    tex, page = latex(INJECTED, blocks).decode(), markdown(INJECTED, blocks).decode()
    assert not re.search(r"^\\input", tex, re.MULTILINE) and tex.count(r"\input") == 1, "in the comment alone"
    assert not re.search(r"(?<!\\)<script|^<|(?<!\\)\]\(", page, re.MULTILINE)
    assert len(page.splitlines()) == len(markdown("T", [Heading("h"), *blocks[1:]]).decode().splitlines())
    assert "\x1b" not in tex + page


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a*b*", r"a\*b\*"), ("_x_ and no_joint", r"\_x\_ and no_joint"), ("p < 0.05 > q", "p < 0.05 > q"),
        ("&lt;b", r"\&lt;b"), ("R & P", "R & P"), ("a ~ b ~~c~~", r"a ~ b \~\~c\~\~"), ("# x", r"\# x"),
        ("1. x", r"1\. x"),
        ("run `a <b> *`, then", "run `a <b> *`, then"), ("a`b <i>", r"a\`b \<i>"), ("C:\\x", r"C:\\x"),
        ("$x$", r"\$x$"),
    ],
)  # fmt: skip
def test_markdown_sees_text_and_code_alone(text: str, written: str) -> None:
    assert escape_markdown(text) == written
