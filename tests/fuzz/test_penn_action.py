"""Label files of Penn Action: their fields, their bytes, and the images that belong to them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from tests.data.penn_files import label, write_root
from tests.fuzz.damage import damaged
from tests.fuzz.outcomes import Outcomes, inputs
from tests.fuzz.using import use_dataset

FIELDS = tuple(label())
NUMBERS = st.one_of(
    st.integers(-(2**31), 2**32),
    st.floats(),
    st.sampled_from((0, 1, -1, 2**31, 2**63, 1e5, 1e300, float("nan"), float("inf"))),
)
KINDS = st.one_of(
    arrays.integer_dtypes(endianness="="),
    arrays.unsigned_integer_dtypes(endianness="="),
    arrays.floating_dtypes(endianness="=", sizes=(32, 64)),
    arrays.boolean_dtypes(),
    arrays.complex_number_dtypes(endianness="=", sizes=(64,)),
)
ODD = st.one_of(
    NUMBERS,
    st.text(max_size=12),
    st.none(),
    arrays.arrays(KINDS, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=14)),
    arrays.arrays(KINDS, st.just((6, 13))),
    arrays.arrays(np.float64, st.sampled_from(((6, 13), (1, 3), (1, 1))), elements=NUMBERS.map(float)),
    st.dictionaries(st.sampled_from(("a", "b")), st.floats(), min_size=1),
    st.lists(st.text(max_size=3), min_size=1, max_size=3).map(lambda each: np.array(each, object)),
)
SIDES = st.sampled_from((1, 2, 60, 81, 300, 65535, 2**31 - 1, 2**40))
SIZES = st.builds(lambda *sides: {"dimensions": np.array([[*sides, 6]], np.int64)}, SIDES, SIDES)


def mat_of(fields: dict[str, Any], compressed: bool = True) -> bytes | None:
    """The bytes of a label file; None where no such file can be written."""
    file = io.BytesIO()
    try:
        held = {name: value for name, value in fields.items() if value is not None}
        scipy.io.savemat(file, held, do_compression=compressed)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, UnicodeError, IndexError, KeyError):
        return None
    return file.getvalue()


def test_fields(tmp_path: Path) -> None:
    root, outcomes = write_root(tmp_path), Outcomes()
    path = root / "labels" / "0003.mat"

    @inputs(180)
    @given(st.one_of(SIZES, st.dictionaries(st.sampled_from(FIELDS), ODD, min_size=1, max_size=2)))
    def feed(changed: dict[str, Any]) -> None:
        content = mat_of(label() | changed)
        if content is not None:
            path.write_bytes(content)
            outcomes.of(lambda: use_dataset(tmp_path, name="penn_action", root=str(root), frames="rendered"), "0003")

    feed()
    assert outcomes.succeeded > 10 and outcomes.refused > 75


def test_bytes(tmp_path: Path) -> None:
    root, outcomes = write_root(tmp_path), Outcomes()
    path = root / "labels" / "0003.mat"
    whole = [mat_of(label(), compressed) or b"" for compressed in (True, False)]

    @inputs(130)
    @given(st.sampled_from(whole).flatmap(lambda content: damaged(content, header=300)))
    def feed(content: bytes) -> None:
        path.write_bytes(content)
        outcomes.of(lambda: use_dataset(tmp_path, name="penn_action", root=str(root), frames="rendered"), "0003")

    feed()
    assert outcomes.refused > 75


def test_image_bytes(tmp_path: Path) -> None:
    """Damaged JPEG files, and PNG files with the name of a JPEG."""
    root, outcomes = write_root(tmp_path), Outcomes()
    path = root / "frames" / "0003" / "000002.jpg"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 81, 3), np.uint8))
    whole = []
    for kind, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})):
        file = io.BytesIO()
        noise.save(file, kind, **options)
        whole.append(file.getvalue())

    @inputs(150)
    @given(st.sampled_from(whole).flatmap(lambda content: damaged(content, header=700)))
    def feed(content: bytes) -> None:
        path.write_bytes(content)
        outcomes.of(lambda: use_dataset(tmp_path, name="penn_action", root=str(root)), "0003")

    feed()
    assert outcomes.refused > 75
