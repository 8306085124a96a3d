"""Runs side by side: which are repeats, what differs, by how much, and beyond chance or not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import fake
import numpy as np
import pytest
from scipy import stats

import qdfool
from qdfool import compare
from qdfool.analysis.statistics import holm
from qdfool.errors import InputError
from qdfool.results.comparison import (
    Group,
    Member,
    as_json,
    curves,
    differences,
    left_out,
    read_groups,
)
from qdfool.results.comparison_report import report_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Two settings: one with seeds 0 to 2 in a folder, one with seeds 1 to 3 in folders of their own."""
    folder = tmp_path_factory.mktemp("runs")
    config = qdfool.Config(generations=8, batch_size=12, chunk_seconds=0.05, checkpoint_every=0)
    with mock.patch("qdfool.results.result.Result.draw"):
        qdfool.evolve(config, fake.classifier, out=folder / "three", seeds=range(3))
        for seed in (1, 2, 3):
            other = replace(config, seed=seed, mutation=replace(config.mutation, rate=0.4))
            qdfool.evolve(other, fake.classifier, out=folder / f"other{seed}")
    return folder


def folders(runs: Path) -> list[Path]:
    return [runs / "three", *(runs / f"other{seed}" for seed in (3, 1, 2))]


def group(name: str, figures: dict[int, float]) -> Group:
    config = qdfool.Config()
    return Group(
        name,
        tuple(Member(Path(name), seed, config, 2, {"qd_score": value}) for seed, value in figures.items()),
    )


def test_seeds_that_have_no_figures_yet_are_said_to_be_left_out(runs, tmp_path, caplog):
    folder = Path(shutil.copytree(runs / "three", tmp_path / "three"))
    (folder / "seed1" / "summary.json").unlink()
    (found,) = read_groups([folder])
    assert [one.seed for one in found.members] == [0, 2]
    assert f"{folder} has 2 of 3 seeds to compare: the others have no summary.json yet." in caplog.text


def test_seeds_are_repeats_and_settings_name_groups(runs):
    groups = read_groups(folders(runs))
    assert [[one.seed for one in group.members] for group in groups] == [[0, 1, 2], [1, 2, 3]]
    assert [group.name for group in groups] == [
        "mnist-direct, mutation.rate 0.1",
        "mnist-direct, mutation.rate 0.4",
    ]
    assert read_groups([runs / "three" / "seed1"])[0].name == "mnist-direct"


def test_shared_seeds_are_paired_as_scipy_does_it():
    before = {0: 1.0, 1: 2.5, 2: 3.0, 4: 9.0}
    after = {0: 1.5, 1: 2.75, 2: 4.0, 7: -3.0}
    (found,) = differences([group("one", before), group("other", after)])
    test: Any = stats.ttest_rel([1.5, 2.75, 4.0], [1.0, 2.5, 3.0])
    bounds = test.confidence_interval(0.95)
    assert (found.figure, found.group, found.than, found.paired) == ("qd_score", "other", "one", True)
    np.testing.assert_allclose(found.difference, [7 / 12, bounds.low, bounds.high, 3])
    np.testing.assert_allclose(found.p_value, test.pvalue)


def test_pairs_that_all_differ_by_the_same_are_as_sure_as_their_signs():
    """Ten digits instead of nine with every seed, or a tenth more, which is not quite the same in floating point."""
    for seeds, step in ((2, 1.0), (6, 0.1)):
        before = {seed: 0.3 * seed for seed in range(seeds)}
        (found,) = differences(
            [group("one", before), group("other", {n: v + step for n, v in before.items()})]
        )
        assert found.difference.mean == pytest.approx(step)
        assert np.isnan([found.difference.low, found.difference.high]).all()
        assert found.p_value == pytest.approx(stats.binomtest(seeds, seeds).pvalue)
        assert found.beyond_chance == (seeds == 6)
    (found,) = differences([group("one", before), group("other", before)])
    assert (found.difference.mean, found.p_value) == (0, 1)


def test_other_seeds_are_two_samples_as_scipy_does_it():
    one, other = [1.0, 2.5, 3.0, 9.0], [1.5, 12.75, 14.0]
    (found,) = differences(
        [group("one", dict(enumerate(one))), group("other", {9 + n: v for n, v in enumerate(other)})]
    )
    test: Any = stats.ttest_ind(other, one, equal_var=False)
    bounds = test.confidence_interval(0.95)
    assert not found.paired
    np.testing.assert_allclose(found.difference[:3], [np.mean(other) - np.mean(one), bounds.low, bounds.high])
    np.testing.assert_allclose(found.p_value, test.pvalue)


def test_many_comparisons_are_corrected():
    chance = np.random.default_rng(0)
    groups = [group(str(n), dict(enumerate(chance.normal(2.0 * (n == 3), 0.5, 6)))) for n in range(4)]
    found = differences(groups)
    assert len(found) == 6
    np.testing.assert_allclose([one.p_adjusted for one in found], holm([one.p_value for one in found]))
    assert {(one.group, one.than) for one in found if one.beyond_chance} == {
        ("3", "0"),
        ("3", "1"),
        ("3", "2"),
    }


def test_what_is_the_same_in_all_runs_is_no_comparison_and_one_run_has_no_interval():
    assert not differences([group("one", {0: 1.0, 1: 1.0}), group("other", {0: 1.0, 1: 1.0})])
    (found,) = differences([group("one", {0: 1.0}), group("other", {0: 2.0})])
    assert found.difference.mean == 1.0
    assert np.isnan([found.difference.low, found.p_value, found.p_adjusted]).all()
    assert found.beyond_chance is None
    assert compare.as_text([], [found]).splitlines()[-1].endswith("| ? | ? |")
    text = json.dumps(as_json([], [found]), allow_nan=False)
    (read,) = json.loads(text)["differences"]
    assert (read["low"], read["beyond_chance"]) == (None, None)


def test_curves_are_the_records_by_evaluations(runs):
    groups = read_groups(folders(runs))
    x, lines = curves(groups)
    assert x[0] == pytest.approx(12)
    assert x[-1] == pytest.approx(96)
    figures = as_json(groups, [])["groups"][0]["figures"]
    for series in ("median_confidence", "qd_score", "coverage"):
        median, low, high = map(np.asarray, lines[series][groups[0].name])
        # A curve ends at what the table says, with the same interval.
        assert [median[-1], low[-1], high[-1]] == pytest.approx(list(figures[series].values()))
        assert (low <= median).all()
        assert (median <= high).all()
        assert (np.diff(median) >= 0).all()


def test_a_curve_ends_with_the_shortest_run_and_a_single_run_has_no_band(runs, tmp_path):
    with mock.patch("qdfool.results.result.Result.draw"):
        longer = qdfool.Config(generations=16, batch_size=12, chunk_seconds=0.05, checkpoint_every=0)
        qdfool.evolve(longer, fake.classifier, out=tmp_path / "longer")
    x, lines = curves(read_groups([runs / "three", tmp_path / "longer"]))
    short, long = (np.array(band) for band in lines["median_confidence"].values())
    assert (np.isfinite(short[0]) == (x <= 96 * (1 + 1e-9))).all()
    np.testing.assert_array_equal(long[0], long[1])
    np.testing.assert_array_equal(long[0], long[2])


def test_the_command_line_leaves_table_picture_and_json(runs, tmp_path, capsys):
    arguments = [*map(str, folders(runs)), "--out", str(tmp_path / "compared")]

    def ended(*more: str) -> int:
        with pytest.raises(SystemExit) as end:
            compare.main([*arguments, *more])
        return int(end.value.code or 0)

    assert ended() == 0
    said = capsys.readouterr().out
    assert "| mnist-direct, mutation.rate 0.4 | 3 |" in said
    written = json.loads((tmp_path / "compared" / "comparison.json").read_text())
    assert written["schema"] == 1
    assert {one["paired"] for one in written["differences"]} == {True}
    assert (tmp_path / "compared" / "curves.png").stat().st_size > 1000
    page = (tmp_path / "compared" / "report.html").read_text()
    assert "mnist-direct, mutation.rate 0.1 and mnist-direct, mutation.rate 0.4 differ" in page
    assert "Left out" not in said + page
    assert ended() == 2
    assert "has a comparison already" in capsys.readouterr().err
    assert ended("--overwrite") == 0
    # Of something else that is called so.
    (tmp_path / "compared" / "comparison.json").write_text('{"a": 1}')
    assert ended("--overwrite") == 2
    assert "holds no comparison, but what one would write over: comparison.json" in capsys.readouterr().err
    assert (tmp_path / "compared" / "comparison.json").read_text() == '{"a": 1}'


def test_links_lead_from_the_page_to_the_runs_whatever_they_are_called(runs, tmp_path):
    odd = tmp_path / "a:b #1?%"
    shutil.copytree(runs / "three", odd)
    (odd / "seed1" / "report.html").write_text("A page.")
    groups = read_groups([odd])
    x, lines = curves(groups)
    page = report_of(groups, [], x, lines, tmp_path / "out")
    ((_, linked),) = page.groups
    assert [run.address for run in linked] == ["", "../a%3Ab%20%231%3F%25/seed1/report.html", ""]
    assert any("Of 2 runs there is no page to link to" in note for note in page.notes)


def test_the_page_says_which_settings_differ(runs, tmp_path):
    groups = read_groups(folders(runs))
    page = report_of(groups, [], *curves(groups), tmp_path)
    assert page.settings == [("mutation.rate", ["0.1", "0.4"])]
    assert ("batch_size", "12") in page.alike
    assert "seed" not in dict(page.alike)


@pytest.mark.parametrize("value", ['"nine"', "true", "1e31", "null"])
def test_what_is_no_figure_is_left_out_and_said(runs, tmp_path, value):
    for seed in (1, 2):
        shutil.copytree(runs / f"other{seed}", tmp_path / str(seed))
    path = tmp_path / "2" / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps({**summary, "qd_score": "here"}).replace('"here"', value))
    groups = read_groups([tmp_path / "1", tmp_path / "2"])
    assert left_out(groups) == (
        f"Left out, for their summaries have no such number: qd_score of {tmp_path / '2'}."
    )
    written = as_json(groups, [])
    assert written["left_out"] == left_out(groups)
    assert "qd_score" not in written["groups"][0]["figures"]
    assert "coverage" in written["groups"][0]["figures"]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ([], "No run to compare"),
        (["three", "three/seed1"], "the same settings and the same seed, 1"),
        (["nothing"], "Expected the folder of a run"),
    ],
)
def test_what_cannot_be_compared_is_said(runs, chosen, message):
    with pytest.raises(InputError, match=message):
        read_groups([runs / name for name in chosen])


def test_too_many_settings_are_refused():
    with pytest.raises(InputError, match="At most 12 settings"):
        differences([group(str(number), {0: float(number)}) for number in range(13)])


def test_names_that_matplotlib_would_set_as_mathematics_are_drawn(runs, tmp_path):
    config = json.loads((runs / "other1" / "config.json").read_text())
    names = (r"$\frac{$", "cost in $")
    for number, name in enumerate(names):
        folder = tmp_path / str(number)
        shutil.copytree(runs / "other1", folder)
        config["settings"]["preset"] = name
        (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit, match=r"^0$"):
        compare.main([str(tmp_path / "0"), str(tmp_path / "1"), "--out", str(tmp_path / "out")])
    assert (tmp_path / "out" / compare.CURVES).exists()


def test_a_null_character_in_out_is_said(runs, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        compare.main([str(runs / "other1"), "--out", "a\0b"])
    assert "it has a null character" in capsys.readouterr().err


def test_the_folder_of_an_audit_is_not_written_into(runs, tmp_path, capsys):
    """Also before it has its page."""
    (tmp_path / "audit.json").write_text("{}")
    with pytest.raises(SystemExit) as end:
        compare.main([str(runs / "other1"), "--out", str(tmp_path)])
    assert end.value.code == 2
    assert "is the folder of an audit" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["audit.json"]


def test_a_run_folder_is_not_written_into(runs, capsys):
    with pytest.raises(SystemExit) as end:
        compare.main([str(runs / "other1"), "--out", str(runs / "other2")])
    assert end.value.code == 2
    assert "is a run folder" in capsys.readouterr().err
    assert not (runs / "other2" / compare.COMPARISON).exists()
