"""Results of benchmarks side by side: rows of one seed each, grouped by their texts and files."""

import json
from pathlib import Path

import pytest

from qdfool import compare
from qdfool.errors import InputError
from qdfool.results.comparison import as_json, compared, differences, left_out
from qdfool.results.rows import are_rows, read_rows

RESULTS = Path(__file__).parents[2] / "benchmarks/results"


def written(path: Path, *rows: dict) -> Path:
    path.write_text(json.dumps({"header": {"date": "today"}, "rows": rows}))
    return path


def test_texts_and_files_are_settings_and_numbers_figures():
    grid, emitters = RESULTS / "grid-against-random.json", RESULTS / "emitters-cpu.json"
    groups = read_rows([grid])
    assert [group.name for group in groups] == ["CMA-MEGA", "varied noise", "uniform noise"]
    assert [one.seed for one in groups[0].members] == [0, 1, 2]
    assert compared(groups) == ["coverage", "qd_score", "elites_at_9999"]
    rows = json.loads(grid.read_text())["rows"]
    assert groups[1].values("qd_score") == {
        row["seed"]: row["qd_score"] for row in rows if row["images"] == "varied noise"
    }
    assert all(one.paired for one in differences(groups))
    both = read_rows([grid, emitters])
    assert both[0].settings == {"images": "CMA-MEGA", "results": "grid-against-random"}
    assert {group.settings["results"] for group in both} == {grid.stem, emitters.stem}


def test_files_of_one_name_are_told_apart(tmp_path):
    paths = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        paths.append(written(tmp_path / name / "a.json", {"seed": 0, "score": 1.0}))
    assert [group.name for group in read_rows(paths)] == list(map(str, paths))
    assert [group.name for group in read_rows(paths[:1])] == ["a"]


def test_what_is_no_figure_is_said_and_what_is_no_number_at_all_not_looked_at(tmp_path):
    first = {"seed": 0, "score": 1.0, "speed": 2, "by_class": [1, 2], "quick": True}
    path = written(tmp_path / "a.json", first, {**first, "seed": 1, "speed": None})
    groups = read_rows([path])
    assert compared(groups) == ["score", "speed"]
    assert left_out(groups) == f"Left out, for their summaries have no such number: speed of {path}."
    assert as_json(groups, [])["groups"][0]["figures"].keys() == {"score"}


def test_a_figure_that_the_first_row_lacks_is_compared_among_those_that_have_it(tmp_path):
    rows = [
        {"seed": seed, "peer": peer, "x": seed + 1.0} | ({"y": 2.0 * seed + len(peer)} if peer != "a" else {})
        for peer in ("a", "bb", "ccc")
        for seed in (0, 1)
    ]
    groups = read_rows([written(tmp_path / "a.json", *rows)])
    assert compared(groups) == ["x", "y"]
    assert [(one.figure, one.group, one.than) for one in differences(groups) if one.figure == "y"] == [
        ("y", "ccc", "bb")
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no results to compare"),
        ([{"score": 1.0}], "a row without a seed: None"),
        ([{"seed": True, "score": 1.0}], "a row without a seed: True"),
        ([{"seed": 0}, {"seed": 0}], "has the seed 0 twice for the same setting"),
        ([{"seed": 0, **{str(name): 1 for name in range(101)}}], "a row of 102 figures"),
        (["<b>"], "has no results to compare"),
    ],
)
def test_what_cannot_be_compared_is_said(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read_rows([written(tmp_path / "a.json", *rows)])


def test_runs_and_rows_are_not_mixed(tmp_path):
    path = written(tmp_path / "a.json", {"seed": 0})
    assert are_rows([path])
    assert not are_rows([tmp_path, tmp_path / "no.json"])
    with pytest.raises(InputError, match="Give run folders, or files, not both"):
        are_rows([path, tmp_path])


def test_the_command_line_leaves_a_page_and_removes_the_curves_of_what_was_there(tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "curves.png").write_text("of runs")
    typed = [str(RESULTS / "grid-against-random.json"), "--out", str(out), "--overwrite"]
    with pytest.raises(SystemExit, match=r"^2$"):
        compare.main(typed)
    assert "holds no comparison, but what one would write over: curves.png" in capsys.readouterr().err
    assert (out / "curves.png").read_text() == "of runs"
    (out / "comparison.json").write_text('{"schema": 1, "groups": [], "differences": []}')
    with pytest.raises(SystemExit, match=r"^0$"):
        compare.main(typed)
    assert "| CMA-MEGA | 3 |" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["comparison.json", "report.html"]
    page = (out / "report.html").read_text()
    assert "uniform noise" in page
    assert 'id="moment"' not in page
