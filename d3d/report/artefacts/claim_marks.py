"""Marks the rows of a narrow table with the verdicts on the claims about them, and says what the marks mean."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from d3d.bench.declare.claims import parse_claim
from d3d.report.statistics.verdicts import Outcome, Verdict
from d3d.report.statistics.wording import p_text

SYMBOLS: dict[Outcome, tuple[str, str]] = {  # outcome → its symbol, and what that means
    "holds": ("✓", "it holds"),
    "fails": ("×", "it fails"),
    "inconclusive": ("○", "it is inconclusive"),
}
Judged = Mapping[str, Sequence[Verdict]]  # part of the rows, as in `Tally` → the verdicts on its claims


def labels_of(claim: str) -> Collection[str]:
    """The labels of the rows that a claim names."""
    return parse_claim(claim).labels


def claim_marks(
    judged: Judged,
    lines: Sequence[Collection[str]],
    reference: str | None = None,
    named: Callable[[str], Collection[str]] = labels_of,
) -> tuple[str, ...]:
    """The marks of each line of a table: number and symbol of each claim about it that was tested, such as "1✓ 4○".

    Args:
        judged: The verdicts on the claims, which are numbered in their order.
        lines: The labels of the rows that each line of the table shows.
        reference: The row that the others are compared with: a claim that names others too is marked at them alone.
        named: Claim → the labels of the rows that it names.
    """
    marked = []
    for mark, _, verdict in _numbered(judged):
        labels = {*named(verdict.claim)}
        marked.append((mark, labels - {reference} or labels))
    return tuple(" ".join(mark for mark, labels in marked if labels & {*line}) for line in lines)


def claims_said(judged: Judged) -> Iterator[str]:
    """Sentences for a caption: which claim has which mark, what the symbols mean, and which claims were not tested."""
    numbered = list(_numbered(judged))
    if numbered:
        said = "; ".join(
            f"{mark} {part}{_readable(each.claim)}{'' if each.p_value is None else _p(each.p_value)}"
            for mark, part, each in numbered
        )
        outcomes = {each.outcome for _, _, each in numbered}
        meanings = ", ".join(f"{symbol} {meaning}" for name, (symbol, meaning) in SYMBOLS.items() if name in outcomes)
        corrected = "; p is Holm-corrected" if any(each.p_value is not None for _, _, each in numbered) else ""
        yield f"Claims, by their numbers beside the rows: {said} ({meanings}{corrected})."
    if untested := [each.claim for verdicts in judged.values() for each in verdicts if each.outcome not in SYMBOLS]:
        yield f"Not tested: {'; '.join(map(_readable, dict.fromkeys(untested)))}."


def _numbered(judged: Judged) -> Iterator[tuple[str, str, Verdict]]:
    """The mark, the part of the rows in words, and the verdict, of each claim that was tested."""
    everything = [(f"{part}, " if part else "", each) for part, verdicts in judged.items() for each in verdicts]
    for number, (part, each) in enumerate(everything, start=1):
        if each.outcome in SYMBOLS:
            yield f"{number}{SYMBOLS[each.outcome][0]}", part, each


def _readable(claim: str) -> str:
    return claim.replace("_", " ")  # as the tabular has the labels


def _p(p_value: float) -> str:
    text = p_text(p_value)
    return f" (p {text})" if text.startswith("<") else f" (p = {text})"
