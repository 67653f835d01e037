"""The parts of `make load` that are worth a test without measuring anything."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.plot import Axis, draw_lines, nice_step, say_number
from bench.strain.herd import next_boundary
from bench.strain.page import join_page, kept_sections, publish, write_section
from bench.strain.sampling import Sample, Sampler, Trend, fit
from bench.strain.soak import is_flat
from bench.strain.verdict import Found, percentile

SVG = "{http://www.w3.org/2000/svg}"


def made(scenario: str = "herd") -> Found:
    found = Found(scenario, "A herd", "Many push.")
    found.tell("rate", "10/s")
    found.owe("lag", 3.0, "<=", 5.0, "{:.1f} s")
    found.must("lost", 0)
    return found


def test_a_missed_figure_fails_only_the_full_form() -> None:
    found = made()
    found.owe("slow", 7.0, "<=", 5.0, "{:.1f} s")
    assert [claim.verdict for claim in found.claims] == ["", "met", "met", "MISSED"]
    assert found.is_sound(strictly=False)
    assert not found.is_sound(strictly=True)


def test_what_must_never_happen_fails_the_short_form_too() -> None:
    found = made()
    found.must("false silences", 1)
    assert found.claims[-1].verdict == "BROKEN"
    assert not found.is_sound(strictly=False)


def test_a_figure_that_is_no_number_is_missed() -> None:
    found = made()
    found.owe("lag of none", float("nan"), "<=", 5.0, "{:.1f} s")
    found.owe("never", float("inf"), "<=", 5.0, "{:.1f} s")
    assert [claim.verdict for claim in found.claims[-2:]] == ["MISSED", "MISSED"]


def test_a_scenario_replaces_its_own_section_and_leaves_the_others(tmp_path: Path) -> None:
    page, plots = tmp_path / "performance.md", tmp_path / "plots"
    page.write_text("# Performance\n\nBy the bench.\n")
    for scenario in ("soak", "herd"):
        publish(made(scenario), {"commit": "one"}, page=page, plots=plots)
    again = made("herd")
    again.tell("new", "figure")
    again.plots["herd"] = ("A line", draw_lines("A", {"a": [(0, 1)]}, x="x", y="y"))
    publish(again, {"commit": "two"}, page=page, plots=plots)
    text = page.read_text()
    assert text.startswith("# Performance\n\nBy the bench.\n")
    assert text.count("# Under load\n") == 1
    assert text.index("load: herd -->") < text.index("load: soak -->")
    assert text.count("commit: one") == text.count("commit: two") == 1
    assert "| new | figure |  |  |" in text
    assert (plots / "herd.svg").exists()


def test_the_older_bench_keeps_the_sections_of_load() -> None:
    text = join_page("# Old\n", {"herd": write_section(made(), {})})
    fresh = join_page("# New\n", kept_sections(text))
    assert fresh.startswith("# New\n")
    assert fresh.split("# Under load")[1] == text.split("# Under load")[1]
    assert join_page("# New\n", {}) == "# New\n"


def test_a_line_is_fitted_after_the_warm_up() -> None:
    times = [n * 10.0 for n in range(40)]
    values = [50.0 + n for n in range(10)] + [100.0 + 0.001 * at for at in times[10:]]
    trend = fit(times, values)
    assert trend.per_hour == pytest.approx(3.6)
    assert trend.mean == pytest.approx(100.245)
    assert is_flat(trend)
    assert not is_flat(Trend(100.0, 5.1))
    assert is_flat(Trend(400.0, 19.9))
    assert is_flat(Trend(100.0, -50.0))
    assert fit([0.0], [7.0]) == Trend(7.0, 0.0)


def test_a_process_with_another_pid_was_restarted() -> None:
    sampler = Sampler.__new__(Sampler)
    sampler.samples = [
        Sample(0, pids={"web-1": 10, "beat": 20}),
        Sample(1, pids={"web-1": 11, "beat": 20}),
        Sample(2, pids={"web-1": 11, "beat": 20}),
    ]
    assert sampler.restarted() == ["web-1"]
    sampler.samples.append(Sample(3, pids={"web-1": 11}))
    assert sampler.restarted() == ["beat", "web-1"]


def test_percentiles_of_few_values() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([1], 0.99) == 1
    assert percentile([], 0.5) != percentile([], 0.5)


def test_the_herd_comes_at_the_full_minute() -> None:
    assert next_boundary(119.5, every=60) == 120
    assert next_boundary(120.0, every=60) == 120
    assert next_boundary(120.1, every=60) == 180


def test_a_plot_is_svg_that_follows_the_readers_colours() -> None:
    drawing = draw_lines(
        "Time < due & more",
        {"a": [(1, 1), (10, 2)], "b": [(1, 1), (10, 10)]},
        x="monitors",
        y="of the first",
        log=True,
        limit=("owed", 5.0),
    )
    root = ET.fromstring(drawing)
    assert root.find(f"{SVG}title").text == "Time < due & more"  # type: ignore[union-attr]
    assert "prefers-color-scheme:dark" in root.find(f"{SVG}style").text  # type: ignore
    lines = [path for path in root.iter(f"{SVG}path") if "line" in path.get("class", "")]
    assert len({path.get("stroke-dasharray") for path in lines}) == 2
    assert [text.text for text in root.iter(f"{SVG}text")].count("owed") == 1


@pytest.mark.parametrize(
    "series",
    [
        {},
        {"none": []},
        {"one": [(5.0, 0.0)]},
        {"broken": [(0.0, float("nan")), (1.0, float("inf")), (2.0, 3.0)]},
        {"many": [(float(n), n % 7) for n in range(10_000)]},
    ],
)
def test_a_plot_is_drawn_whatever_came(series: dict[str, list[tuple[float, float]]]) -> None:
    for log in (False, True):
        drawing = draw_lines("Any", series, x="x", y="y", log=log)
        ET.fromstring(drawing)
        assert "nan" not in drawing
        assert "inf" not in drawing
        assert len(drawing) < 60_000


def test_ticks_are_round() -> None:
    assert nice_step(10) == 2
    assert nice_step(0.9) == pytest.approx(0.2)
    assert Axis("x", 0, 10).ticks() == [0, 2, 4, 6, 8, 10]
    assert Axis("x", 1_000, 100_000, is_log=True).ticks()[0] == 1_000
    assert [say_number(n) for n in (1e6, 250_000, 30, 0.5)] == ["1M", "250k", "30", "0.5"]
