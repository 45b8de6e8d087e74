import struct
import zlib
from pathlib import Path

import pytest

from d3d.data.formats.matlab import MOST, read_mat


def test_a_small_file_that_inflates_to_much_is_refused(tmp_path: Path) -> None:
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    variable = zlib.compress(struct.pack("<II", 14, MOST) + bytes(MOST), 1)
    path = tmp_path / "0001.mat"
    path.write_bytes(header + struct.pack("<II", 15, len(variable)) + variable)
    with pytest.raises(ValueError, match=f"its variables have more than {MOST} bytes once they are inflated"):
        read_mat(path, ("x",))


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "0001.mat"
    with path.open("wb") as file:
        file.truncate(MOST + 1)  # takes no space on the disk
    with pytest.raises(ValueError, match=f"it has more than {MOST} bytes"):
        read_mat(path, ("x",))
