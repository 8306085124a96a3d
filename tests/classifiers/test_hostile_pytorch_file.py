"""Small `.pth` files that would take the process, its memory or its time: each is refused, at once."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile_pickles import HOSTILE, NUMBER, SHAPE, dictionary, shaped, text
from pth_file import KERNEL, Called, Storage, older, pickled, tensor, write

from qdfool.classifiers import inert_pickle, pytorch_file
from qdfool.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.pth"


def as_zip(path: Path, content: bytes) -> None:
    write(path, {}, **{"data.pkl": content})


def as_row(path: Path, content: bytes) -> None:
    parts = older({}, KERNEL.tobytes()).split(pickled({}))
    assert len(parts) == 2
    path.write_bytes(content.join(parts))


@pytest.mark.parametrize("save", [as_zip, as_row])
@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_state_dict_is_made_of_is_refused_at_once(
    path: Path, name: str, save: Callable[[Path, bytes], None]
):
    save(path, HOSTILE[name])
    with pytest.raises(InputError, match=r"network\.pth ") as caught:
        pytorch_file.read(path)
    assert len(str(caught.value)) < 1000


def test_these_files_are_otherwise_read(path: Path):
    """Else the test above would see refusals of what is written wrongly."""
    for save in (as_zip, as_row):
        save(path, dictionary(text("a"), shaped(SHAPE)))
        np.testing.assert_array_equal(pytorch_file.read(path)["a"], KERNEL)


@pytest.mark.parametrize("name", sorted(pytorch_file.ALLOWED - {inert_pickle.DICTIONARY}))
def test_nothing_of_ours_is_changed_by_a_file(path: Path, name: str):
    """BUILD sets attributes: of a function of ours they would last as long as the process."""
    module, _, last = name.rpartition(".")
    state = b"}" + text("__module__") + text("changed") + b"s"
    change = f"c{module}\n{last}\n".encode() + state + b"b"
    as_zip(path, dictionary(text("a"), change))
    with pytest.raises(InputError, match="a name is filled or changed as if it were something else"):
        pytorch_file.read(path)


def test_the_metadata_of_an_ordered_dictionary_are_passed_over(path: Path):
    state = b"}" + text("_metadata") + b"}s"
    as_zip(path, b"\x80\x02ccollections\nOrderedDict\n)R" + text("a") + shaped(SHAPE) + b"s" + state + b"b.")
    np.testing.assert_array_equal(pytorch_file.read(path)["a"], KERNEL)


def test_an_ordered_dictionary_of_python_2_is_read(path: Path):
    pair = b"](U\x01a" + shaped(SHAPE) + b"e"
    as_zip(path, b"\x80\x02ccollections\nOrderedDict\n](" + pair + b"e\x85R.")
    np.testing.assert_array_equal(pytorch_file.read(path)["a"], KERNEL)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_in_bytes_is_read(protocol: int):
    found = {
        "texts": ["é", "x" * 300],
        "numbers": (1, -2, 2**40, 0.5),
        "state": {0: {"on": True, "off": None}},
    }
    read = inert_pickle.load(io.BytesIO(pickle.dumps(found, protocol)), ())
    assert read.parts["texts"].parts == found["texts"]
    assert tuple(read.parts["numbers"].parts) == found["numbers"]
    assert read.parts["state"].parts[0].parts == found["state"][0]


def test_one_row_of_numbers_under_thousands_of_names_is_refused(path: Path):
    names = b"".join(text(str(number)) + b"h\x00" for number in range(5_000))
    as_zip(path, b"\x80\x02}" + text("a") + shaped(SHAPE) + b"q\x00s(" + names + b"u.")
    size = path.stat().st_size
    assert pytorch_file.MOST_SHARED * size < 48 * 5_000
    with pytest.raises(InputError, match="far more than the file"):
        pytorch_file.read(path)


def test_more_tensors_than_a_network_has_are_refused(path: Path):
    names = b"".join(text(str(number)) + b"h\x00" for number in range(pytorch_file.MOST_TENSORS + 1))
    as_zip(path, b"\x80\x02}" + text("a") + shaped(b")", b")") + b"q\x00s(" + names + b"u.")
    with pytest.raises(InputError, match="has 20,002 tensors; expected 20,000 at most"):
        pytorch_file.read(path)


def test_storages_that_are_more_than_the_file_are_refused_before_one_is_read(path: Path):
    many = {str(n): tensor("0", (1,), (1,), 0, 12) for n in range(3)}
    many["other"] = tensor("0", (1,), (1,), 0, 10)
    with pytest.raises(InputError, match="storage '0' is two different ones"):
        pytorch_file.read(write(path, many))
    many = {str(n): Called(pytorch_file.REBUILT[1], Storage(str(n), 12), 0, (1,), (1,)) for n in range(20)}
    write(path, many)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(1, 20):
            archive.writestr(f"archive/data/{number}", KERNEL.tobytes())
    assert len(pytorch_file.read(path)) == 20
    write(path, {"a": Called(pytorch_file.REBUILT[1], Storage("0", 10**9), 0, (1,), (1,))})
    with pytest.raises(InputError, match="say that they have 4000000000 bytes"):
        pytorch_file.read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_second_pickle_is_refused_by_what_it_is(path: Path):
    write(path, {"a": tensor("0", (3, 4), (4, 1))})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data.pkl", pickled({}))
    with pytest.raises(InputError, match=r"has 2 entries data\.pkl; expected one"):
        pytorch_file.read(path)
    write(path, {"a": tensor("0", (3, 4), (4, 1))})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data.pkl", pickled({}))
    with pytest.raises(InputError, match="has two entries of one name"):
        pytorch_file.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/other", b"")
    with pytest.raises(InputError, match=r"has 0 entries data\.pkl; expected one"):
        pytorch_file.read(path)


def test_names_are_quoted_and_shortened(path: Path):
    as_zip(path, dictionary(text("\x1b[2J\nqdfool: all good" + "x" * 1_000_000), NUMBER))
    with pytest.raises(InputError, match=r"'\\x1b\[2J\\nqdfool: all good") as caught:
        pytorch_file.read(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    as_zip(path, dictionary(text("a"), b"cos\x1b[2J\nsystem" + b"x" * 900 + b"\n"))
    with pytest.raises(InputError, match=r"names 'os\\x1b\[2J\.system") as caught:
        pytorch_file.read(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
