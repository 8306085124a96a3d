"""A damaged `config.json` or `metrics.csv` is refused in one line that names the file and what is wrong in it."""

import json
import shutil
from pathlib import Path

import pytest

import qdfool
from qdfool.errors import InputError
from qdfool.results import run_folder
from qdfool.results.config_file import read_config
from qdfool.results.opening import resume
from qdfool.run import main

FORMER = Path(__file__).parent / "former_run"


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(FORMER, tmp_path / "run"))


def refused(folder: Path) -> str:
    """What is said, by whatever reads the folder; nothing in it has changed."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError) as error:
        read_config(folder)
    with pytest.raises(InputError) as same:
        qdfool.load(folder)
    said = str(error.value)
    assert str(same.value) == said
    assert len(said) < 1000
    assert said.isprintable()
    assert not any(advice in said for advice in ("anew", "overwrite", "delete"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    return said


SETTINGS = [
    ("seed", "7"),
    ("seed", None),
    ("seed", True),
    ("seed", 1.5),
    ("seed", -1),
    ("seed", 2**63),
    ("seed", [[[[0]]]]),
    ("generations", 10**400),
    ("batch_size", 2**31),
    ("seconds", "long"),
    ("cells", "ab"),
    ("cells", [3]),
    ("cells", [3, 0]),
    ("archive", "bogus"),
    ("ranges", [0, 1, "0", 1]),
    ("measures", ["ink"]),
    ("group", "one"),
    ("rounding", 1),
    ("preset", "\x1b[2Jall good\n"),
    ("preset", 3),
    ("mutation", []),
    ("mutation", {"rate": 2}),
    ("mutation", {"rat": 0.1}),
    ("selection", {"tournament_size": 10**12}),
    ("cppn", {"activations": "sine"}),
    ("image_shape", [60_000, 60_000, 3]),
    ("\x1b[2J", 1),
]


@pytest.mark.parametrize(("setting", "value"), SETTINGS)
def test_a_damaged_setting_is_named(folder, setting, value):
    values = json.loads((folder / "config.json").read_text())
    values["settings"][setting] = value
    (folder / "config.json").write_text(json.dumps(values))
    said = refused(folder)
    assert said.startswith(f"{folder / 'config.json'}: ")
    assert (setting if setting.isprintable() else "Unknown setting") in said


@pytest.mark.parametrize(
    ("setting", "value"), [("encoding", "bogus"), ("measures", ["ink", "bogus"]), ("ranges", [0, 1, 0, 9])]
)
def test_a_name_or_range_that_there_is_not_is_named_with_the_file(folder, setting, value):
    values = json.loads((folder / "config.json").read_text())
    values["settings"][setting] = value
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match=rf"config.json: .*{setting.removesuffix('s')}"):
        qdfool.load(folder)


@pytest.mark.parametrize(
    ("group", "name", "value", "expected"),
    [
        ("versions", "qdfool", 3, "the version of 'qdfool' must be text; got 3"),
        ("classifier", "image_shape", [8, 8, True], "three whole numbers"),
        ("classifier", "image_shape", [10**6, 10**6, 3], "image_shape must be between 1 and 65,536"),
        ("classifier", "image_shape", [60_000, 60_000, 1], "at most 16,777,216 values"),
        ("classifier", "class_names", [], "class_names as a list"),
        ("classifier", "class_names", ["a", "b", "c", "a"], "must be unique"),
    ],
)
def test_other_damaged_groups_are_named(folder, group, name, value, expected):
    values = json.loads((folder / "config.json").read_text())
    values[group][name] = value
    (folder / "config.json").write_text(json.dumps(values))
    said = refused(folder)
    assert "config.json" in said
    assert expected in said


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"seed": 0', '"seed": NaN', "NaN is no number of JSON"),
        ('"seconds": null', '"seconds": -Infinity', "-Infinity is no number of JSON"),
        ('"seconds": null', '"seconds": 1e999', "the number 1e999 is too large"),
        ('"seed": 0', f'"seed": {"9" * 5000}', "digits"),
        ('"seed": 0', '"seed": 0, "seed": 1', "'seed' is there twice in one group"),
        ('"seed": 0', f'"seed": {"[" * 100_000}{"]" * 100_000}', "recursion"),
        ('"seed": 0', f'"seed": {"[" * 900}{"]" * 900}', "more than 32 levels deep"),
        ('"preset": "mnist-direct"', '"preset": "\\ud800"', "surrogates not allowed"),
        ("{", " " * (1 << 24) + "{", "more than 16,777,216 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_json_of_ours_is_refused(folder, old, new, expected):
    text = (folder / "config.json").read_text()
    assert old in text
    (folder / "config.json").write_text(text.replace(old, new, 1))
    said = refused(folder)
    assert f"{folder / 'config.json'} is damaged" in said
    assert expected in said


@pytest.mark.parametrize("found", [True, 0, -1, None, "2", 10**400, [2]])
def test_a_format_that_is_none_is_refused(folder, found):
    values = json.loads((folder / "config.json").read_text()) | {"format": found}
    (folder / "config.json").write_text(json.dumps(values))
    assert "reads formats 1 to 2" in refused(folder)


def test_a_folder_without_a_checkpoint_is_not_to_be_thrown_away(folder):
    values = json.loads((folder / "config.json").read_text()) | {"format": 2}
    (folder / "config.json").write_text(json.dumps(values))
    config, _ = read_config(folder)
    with pytest.raises(InputError, match=r"No checkpoint in .* another `out`") as error:
        resume(config, folder)
    assert "overwrite" not in str(error.value)


@pytest.mark.parametrize("content", [b"\x01\x02\x03", b"", b"a,b\n", b'"generation\n'])
def test_metrics_without_their_header_are_refused_and_left_alone(folder, content):
    (folder / "metrics.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"metrics.csv is damaged: ") as error:
        run_folder.read_metrics(folder / "metrics.csv")
    assert str(error.value).isprintable()
    assert (folder / "metrics.csv").read_bytes() == content


@pytest.mark.parametrize(
    "change", [lambda row: row + ",1", lambda row: row.rpartition(",")[0], lambda row: ""]
)
def test_a_row_of_metrics_of_another_length_is_refused(folder, change):
    header, *rows = (folder / "metrics.csv").read_text().splitlines()
    (folder / "metrics.csv").write_text("\n".join([header, change(rows[0]), *rows[1:]]) + "\n")
    with pytest.raises(InputError, match=r"metrics.csv is damaged: "):
        run_folder.read_metrics(folder / "metrics.csv")


def test_a_null_character_in_a_folder_s_name_is_refused(capsys):
    for option in ("--out", "--resume"):
        with pytest.raises(SystemExit) as ended:
            main(["--generations", "1", option, "a\0b"])
        assert ended.value.code == 2
        assert r"a\x00b" in capsys.readouterr().err
    with pytest.raises(InputError, match="null character"):
        qdfool.load("a\0b")
