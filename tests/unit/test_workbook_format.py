"""Numbers and dates under format codes, as a Japanese Excel shows them."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunkers.workbook_format import BUILT_IN, general, shown_number

DAY = (datetime(2026, 11, 23) - datetime(1899, 12, 30)).days


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (1234, '#,##0"円"', "1,234円"),
        (0.5, "0%", "50%"),
        (0.1234, "0.0%", "12.3%"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (-5, "#,##0;[Red]-#,##0", "-5"),
        (-5, "#,##0_);(#,##0)", "(5)"),
        (-3.2, "0.0;▲0.0", "▲3.2"),
        (0, '#,##0;-#,##0;"-"', "-"),
        (0, "0;0;;@", ""),
        (1234567, '#,##0,"千円"', "1,235千円"),
        (12345678, '0.0,,"百万円"', "12.3百万円"),
        (1234.5, "[$¥-411]#,##0", "¥1,235"),
        (-1234.5, '"¥"#,##0;"¥"-#,##0', "¥-1,235"),
        (1234, r"#,##0_ ;[Red]\-#,##0\ ", "1,234"),
        (5, "000", "005"),
        (9012345, "000-0000", "901-2345"),
        (312345678, "(00)0000-0000", "(03)1234-5678"),
        (150, '[>=100]"大";[<100]"小"', "大"),
        (50, '[>=100]"大";[<100]"小"', "小"),
        (3, 'General"個"', "3個"),
        (7, "G/標準", "7"),
        (5, "0.0##", "5.0"),
        (0.05, "#.##", ".05"),
        (-0.001, "0.0", "0.0"),
        (1.5, "# ?/?", "1 1/2"),
        (0.333, "?/?", "1/3"),
        (2.0, "# ?/?", "2"),
        (12345, "0.00E+00", "1.23E+04"),
        (0.00012, "0.0E-0", "1.2E-4"),
        (1e20, "0", "100000000000000000000"),
        (12, "@", "12"),
        (12, '"済"', "済"),
    ],
)
def test_numbers(value: float, code: str, shown: str) -> None:
    assert shown_number(value, code) == shown


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (DAY, "yyyy/mm/dd", "2026/11/23"),
        (DAY, BUILT_IN[14], "2026/11/23"),
        (DAY, BUILT_IN[31], "2026年11月23日"),
        (DAY, BUILT_IN[28], "令和8年11月23日"),
        (DAY, BUILT_IN[27], "R8.11.23"),
        (DAY - 2764, "ggge.m.d", "平成31.4.30"),
        (DAY, 'm"月"d"日"(aaa)', "11月23日(月)"),
        (DAY, "yyyy-mm-dd aaaa", "2026-11-23 月曜日"),
        (DAY, "d mmm yy, dddd", "23 Nov 26, Monday"),
        (DAY + 0.378472222, BUILT_IN[22], "2026/11/23 9:05"),
        (DAY + 0.5, 'h"時"mm"分"', "12時00分"),
        (0.75, "h:mm AM/PM", "6:00 PM"),
        (0.75, "午前/午後h:mm", "午後6:00"),
        (0.123456, "h:mm:ss.000", "2:57:46.598"),
        (DAY + 0.99999999, "yyyy/mm/dd hh:mm:ss", "2026/11/24 00:00:00"),
        (1.5, "[h]:mm", "36:00"),
        (1.5, "[mm]:ss", "2160:00"),
        (-0.5, "[h]:mm", "-12:00"),
        (59, "yyyy/m/d", "1900/2/28"),
        (61, "yyyy/m/d", "1900/3/1"),
        (-1, "yyyy/m/d", "-1"),
        (3e6, "yyyy/m/d", "3000000"),
    ],
)
def test_dates_and_times(value: float, code: str, shown: str) -> None:
    assert shown_number(value, code) == shown


def test_days_since_1904() -> None:
    assert shown_number(DAY - 1462, "yyyy/m/d", epoch_1904=True) == "2026/11/23"


@pytest.mark.parametrize(
    ("value", "shown"), [(10.0, "10"), (2.5, "2.5"), (1 / 3, "0.3333333333"), (-7, "-7"), (1e300, "1e+300")]
)
def test_without_a_format(value: float, shown: str) -> None:
    assert general(value) == shown
    assert shown_number(value, "General") == shown


def test_a_format_that_is_too_long_is_not_followed() -> None:
    assert shown_number(5, "0" * 10_000) == "5"


@settings(deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18),
    st.text(alphabet='0#?.,%;E+-@/ymdhsgea[]"\\_*<>=1円 $', max_size=30),
)
def test_no_code_breaks_it(value: float, code: str) -> None:
    assert len(shown_number(value, code)) < 1_000
