"""The soak in a short form, and its verdict."""

import msgspec
import pytest

from tests.long.soak import SoakResult, SoakSample, main, report, soak


def result_of(*memory_mb: float, **more: object) -> SoakResult:
    samples = [SoakSample(at_s=float(at), calls=at, memory_mb=mb) for at, mb in enumerate(memory_mb)]
    right = SoakResult(samples=samples, calls=9, errors=(), rows=9, calls_with_rows=9, odd_rows=0)
    return msgspec.structs.replace(right, **more)


def test_half_a_minute_of_work_has_no_error_and_a_row_for_each_call() -> None:
    """Half a minute is too short to judge the memory by: a worker fills its caches in it."""
    result = soak(0.5)
    assert list(result.errors) == []
    assert result.calls > 100
    assert (result.rows, result.calls_with_rows, result.odd_rows) == (result.calls, result.calls, 0)
    assert len(result.samples) >= 6
    assert all(20 < each.memory_mb < 1000 for each in result.samples)
    assert f"{result.calls} calls, 0 errors" in report(result)


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        (result_of(*[100] * 9), None),
        (result_of(60, 80, 100, 100, 101, 102, 103, 104, 105), None),
        (result_of(100, 100, 100, 100, 110, 120, 130, 140, 150), "memory grew by 30.0 MB"),
        (result_of(100, 100), "too few samples"),
        (result_of(*[100] * 9, errors=["call 3: 500"]), "1 errors, the first: call 3: 500"),
        (result_of(*[100] * 9, rows=8, calls_with_rows=8), "9 calls, 8 rows of 8 calls"),
        (result_of(*[100] * 9, rows=9, calls_with_rows=8), "9 calls, 9 rows of 8 calls"),
        (result_of(*[100] * 9, odd_rows=1), "1 rows with another outcome"),
    ],
)
def test_the_verdict_names_each_fault(result: SoakResult, fault: str | None) -> None:
    if fault is None:
        assert result.faults() == []
        assert report(result).endswith("verdict: flat memory, no errors, no lost rows")
    else:
        assert fault in report(result)
        assert report(result).endswith("verdict: not as it should be")


@pytest.mark.parametrize("minutes", ["0", "-1", "x", "100000"])
def test_a_soak_is_bounded(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--minutes", minutes])
    assert ended.value.code == 2
    assert "expected 0.1 to 1440 minutes" in capsys.readouterr().err
