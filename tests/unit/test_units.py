import pytest
from hypothesis import given
from hypothesis import strategies as st

from ormen.units import (
    GIB,
    MIB,
    TIB,
    UnitError,
    format_age,
    format_clock,
    format_cores,
    format_duration,
    format_rate,
    format_size,
    format_transfer,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (536870912, 512 * MIB), ("512MiB", 512 * MIB), ("512m", 512 * MIB), ("512M", 512 * MIB), ("2g", 2 * GIB),
        ("1.5GiB", 1536 * MIB), ("1 TiB", TIB), ("6k", 6144), (512.0, 512), ("0m", 0),
    ],
)  # fmt: skip
def test_sizes_are_bytes_or_have_a_binary_unit(written: object, size: int) -> None:
    """A size is a whole number of bytes or text with a binary unit, Docker's letters included."""
    assert parse_size(written) == size


@pytest.mark.parametrize(
    ("written", "code", "hint"),
    [
        ("512", "MALFORMED", "did you mean 512m (MiB)?"), ("512MB", "MALFORMED", "did you mean 512MiB?"),
        ("2gb", "MALFORMED", "did you mean 2GiB?"), ("2Gi", "MALFORMED", "did you mean 2GiB?"),
        ("12 parsecs", "MALFORMED", "units are KiB, MiB, GiB and TiB"),
        ("-1m", "OUT_OF_RANGE", None), ("٣m", "MALFORMED", "write it as 512MiB or 2GiB"),
        (True, "WRONG_TYPE", None), (None, "WRONG_TYPE", None), (1.5, "MALFORMED", None), (-1, "OUT_OF_RANGE", None),
        (10**400, "OUT_OF_RANGE", None), (float("inf"), "MALFORMED", None),
    ],
)  # fmt: skip
def test_other_sizes_are_refused_with_what_was_meant(written: object, code: str, hint: str | None) -> None:
    """Decimal units, bare numbers in text and other types are refused, with the probable meaning."""
    with pytest.raises(UnitError) as caught:
        parse_size(written)
    assert (caught.value.code, caught.value.hint) == (code, hint)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (5, 5.0),
        (0.5, 0.5),
        ("500ms", 0.5),
        ("10s", 10.0),
        ("1m30s", 90.0),
        ("2h", 7200.0),
        ("1.5h", 5400.0),
        ("10", 10.0),
    ],
)
def test_durations_are_seconds_or_have_units(written: object, seconds: float) -> None:
    """A duration is a number of seconds or text with units."""
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "1 s", "1d", "s", "30s1m", "1s1s", "-1s", True, None, -1, float("nan"), float("inf"), 10**400, "9" * 12 + "h"],
)
def test_other_durations_are_refused(written: object) -> None:
    """Units out of order, unknown units, negative and endless durations are refused."""
    with pytest.raises(UnitError):
        parse_duration(written)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans())
def test_amounts_are_read_or_refused(value: object) -> None:
    """Whatever is given, an amount is read as a finite number that is not negative, or refused by UnitError."""
    for parse in (parse_size, parse_duration):
        try:
            amount = parse(value)
        except UnitError:
            continue
        assert 0 <= amount < 2**53


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (512 * MIB, "512 MiB"), (1536 * MIB, "1.5 GiB"), (196 * GIB, "196 GiB"), (4 * GIB, "4 GiB"), (0, "0 MiB"),
        (33499906048, "31.2 GiB"), (2048, "2 KiB"), (100, "100 B"), (GIB - 1, "1 GiB"), (493921239040, "460 GiB"),
    ],
)  # fmt: skip
def test_sizes_are_shown_binary(size: int, shown: str) -> None:
    """A size is shown in the largest unit it reaches, with a tenth while three figures allow it."""
    assert format_size(size) == shown


def test_a_column_of_sizes_keeps_its_unit() -> None:
    """In a column of one unit small amounts keep that unit and their tenth."""
    assert [format_size(size, unit="GiB") for size in (6 * GIB, 428657869, 97 * GIB)] == [
        "6.0 GiB",
        "0.4 GiB",
        "97 GiB",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"), (41, "41s"), (130, "2m10s"), (120, "2m"), (725, "12m"), (11520, "3h12m"), (50500, "14h"),
        (187200, "2d4h"), (18 * 86400 + 7200, "18d"), (-3, "0s"),
    ],
)  # fmt: skip
def test_ages_have_two_units_while_the_first_is_below_ten(seconds: float, shown: str) -> None:
    """An age has two units while its first figure is below 10, else one."""
    assert format_age(seconds) == shown


def test_measured_steps_have_a_tenth_below_ten_seconds() -> None:
    """A measured step has a tenth of a second below 10 s and reads as an age above."""
    assert [format_duration(value) for value in (0, 0.31, 9.94, 9.97, 130)] == ["0.0s", "0.3s", "9.9s", "9s", "2m10s"]


def test_cores_transfers_and_clocks() -> None:
    """Cores lose their zeros, transfers are decimal, a clock shows the date of another day."""
    assert [format_cores(milli) for milli in (500, 2500, 4000, 1)] == ["0.5", "2.5", "4", "0.001"]
    assert format_transfer(140_000_000, 600_000_000) == "140 of 600 MB"
    assert (format_transfer(67_300_000), format_rate(800_000)) == ("67 MB", "0.8 MB/s")
    now = 1_795_255_331_000
    assert format_clock(now, now_ms=now, utc=True) == "10:02:11"
    assert format_clock(now - 86_400_000, now_ms=now, utc=True) == "11-20 10:02:11"
