"""A CSV file is read as what it is, or refused as a whole, with a line and without a value."""

from pathlib import Path

import pytest

from tests.cli.sheets import row, text, write
from vault.cli.importer.sheet import COLUMNS, claimed, inspect
from vault.errors import ConfigError

HEADER = ",".join(COLUMNS)
GOOD = text([row(1), row(2)])


def refusal(path: Path, content: str | bytes) -> str:
    """What is said of a file that is refused."""
    with pytest.raises(ConfigError) as refused:
        inspect(write(path, content))
    return str(refused.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A place for a file."""
    return tmp_path / "customers.csv"


def test_rows_come_with_the_line_on_which_they_begin(path: Path) -> None:
    """A cell may hold line breaks, and a file blank lines; an editor counts both."""
    content = text([row(1, street="Top floor\nLange Straße 1"), row(2)]) + "\r\n" + text([row(3)]).split("\r\n", 1)[1]
    lines = list(inspect(write(path, content)).lines())
    assert [line.number for line in lines] == [2, 4, 6]
    assert lines[0].cells == row(1, street="Top floor\nLange Straße 1")


def test_columns_may_stand_in_any_order(path: Path) -> None:
    """They are found by name."""
    sheet = inspect(write(path, text([row(1)], reversed(COLUMNS))))
    assert [line.cells for line in sheet.lines()] == [row(1)]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_read(path: Path, newline: str) -> None:
    """Of Unix, of Windows, of old spreadsheets."""
    sheet = inspect(write(path, GOOD.replace("\r\n", newline)))
    assert [line.cells for line in sheet.lines()] == [row(1), row(2)]
    assert sheet.rows == 2


def test_a_byte_order_mark_is_no_part_of_the_first_column(path: Path) -> None:
    """Spreadsheets write one into every UTF-8 file."""
    sheet = inspect(write(path, b"\xef\xbb\xbf" + GOOD.encode()))
    assert [line.cells for line in sheet.lines()] == [row(1), row(2)]


def test_a_row_with_another_number_of_cells_is_that_rows_fault(path: Path) -> None:
    """The file is not refused for it."""
    sheet = inspect(write(path, f"{HEADER}\na,b\n{GOOD.splitlines()[1]}\n"))
    assert [line.cells is None for line in sheet.lines()] == [True, False]


def test_the_digest_is_of_the_bytes(path: Path) -> None:
    """A corrected file is another file."""
    first = inspect(write(path, GOOD)).digest
    assert inspect(write(path, GOOD)).digest == first
    assert inspect(write(path, GOOD.replace("Bonn", "Köln", 1))).digest != first


def test_a_file_without_rows_is_an_empty_table(path: Path) -> None:
    """Nothing to do is no error."""
    assert inspect(write(path, HEADER)).rows == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no header"),
        (b"\n\n", "has no header"),
        (GOOD.split("\r\n", 1)[1].encode(), "line 1: a header is needed"),
        (GOOD.replace(",", ";").encode(), "line 1: separate columns by commas"),
        (GOOD.replace("country_code,", "", 1).encode(), "line 1: lacks the columns country_code"),
        (f"{HEADER},cvv\n".encode(), "line 1, column 13: is not one of"),
        (f"{HEADER},name\n".encode(), "line 1, column 13: is named as column 2 is"),
        (GOOD.encode("utf-16"), "is UTF-16"),
        (GOOD.encode("latin-1"), "line 2: is not UTF-8"),
        (GOOD.encode().replace(b"Bonn", b"B\0nn"), "line 2: has a zero byte"),
        (f'{HEADER}\n"open quote,Ada 4111111111111111\n'.encode(), "line 2: is no CSV: unexpected end of data"),
        (f'{HEADER}\n"a"b,\n'.encode(), "line 2: is no CSV"),
        (f"{HEADER}\n{'x' * 200_000}\n".encode(), "line 2: is no CSV: field larger than field limit"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_where_it_is_wrong(path: Path, content: bytes, said: str) -> None:
    """Before anything of it is sent, and without its content: a missing header is somebody's data."""
    found = refusal(path, content)
    assert said in found
    for value in ("Customer 1", "4111", "Ada", "cvv", "Lange"):
        assert value not in found


def test_a_file_is_imported_by_one_process_at_a_time(path: Path) -> None:
    """Two would race for one state file."""
    write(path, GOOD)
    with claimed(path), pytest.raises(ConfigError, match="by another process"), claimed(path):
        pass
    with claimed(path):
        pass


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    """With what the system says."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        inspect(path)
