from dataclasses import replace

import pandas as pd

from d3d import report
from d3d.report.artefacts.costs import COSTS, cost_entries, cost_values
from d3d.report.rows import Row
from tests.report.fake_record import FakeRecord
from tests.report.measured_rows import marks, row


def costing(label: str, *seeds: dict[str, float], modality: str = "R+P") -> Row:
    """A row whose trainings have these metrics."""
    plain = row(label, *[marks(1, 2)] * len(seeds))
    cells = {k: replace(plain.cells[k], metrics=metrics, modality=modality) for k, metrics in enumerate(seeds)}
    return replace(plain, cells=cells)


def test_costs_are_means_over_seeds() -> None:
    counted = {"parameters": 43625.0, "frozen_parameters": 0.0, "gmacs": 0.0123456}
    speeds = [{"clips_per_second": 10.0, "eval_clips_per_second": 40.0}, {"clips_per_second": 30.0}]
    both = costing("full", *({**counted, **each} for each in speeds))
    assert list(cost_values(both).values()) == ["R+P", "43625", "0", "0.01235", "50", ""]
    assert cost_entries(both) == ["R+P", "43 625", "0", "0.01235", "50", "—"]


def test_a_row_without_trainings_has_none() -> None:
    assert cost_values(row("missing", None)) == dict.fromkeys(COSTS, "")
    assert cost_entries(row("tested", marks(1, 2))) == ["—"] * len(COSTS)


def test_the_table_of_systems_has_a_column_for_each_and_says_what_they_are(record: FakeRecord) -> None:
    record.rows({"full model": 0.9, "ST-GCN": 0.8}, ablation="comparison", artefacts=["systems"])
    report.build(["systems"], record.storage)
    text = record.made("systems.md").read_text()
    assert "| reads | parameters | frozen | GMACs | ms, training | ms, test |" in text and "- Reads: P joints" in text
    assert set(COSTS) <= set(pd.read_csv(record.made("systems.csv")).columns)
