"""`elites.npz` and `history.npz` from anywhere: what does not agree is refused, and nothing else is inflated."""

import contextlib
import io
import tracemalloc
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from saved_arrays import arrays_of

import qdfool
from qdfool.build import build_encoding
from qdfool.config import Config
from qdfool.errors import InputError
from qdfool.genomes.cppn.graph import Graph
from qdfool.results import elites_file, genome_check, npz
from qdfool.results.genome_check import check_genomes

FORMER = Path(__file__).parent / "former_run"


def put(folder: Path, arrays: dict[str, np.ndarray], name: str = "elites.npz") -> None:
    np.savez(folder / name, allow_pickle=False, **arrays)


def refused(folder: Path, expected: str, name: str = "elites.npz") -> None:
    content = (folder / name).read_bytes()
    with pytest.raises(InputError) as error:
        qdfool.load(folder)
    assert expected in str(error.value)
    assert str(error.value).startswith(str(folder / name))
    assert str(error.value).isprintable()
    assert (folder / name).read_bytes() == content


def test_the_file_says_its_version_and_digest(folder):
    arrays = arrays_of(folder)
    assert arrays["schema_version"] == elites_file.SCHEMA
    assert arrays["sha256"].shape == (32,)
    again = elites_file.sealed({name: arrays[name] for name in arrays.keys() - {"sha256", "schema_version"}})
    np.testing.assert_array_equal(again["sha256"], arrays["sha256"])
    qdfool.load(folder)


def changed(name, change):
    return lambda arrays: arrays | {name: change(arrays[name])}


def first(value):
    """The first number of an array in place of which another stands."""

    def change(array):
        array = array.copy()
        array.flat[0] = value
        return array

    return change


def all_shifted(arrays):
    """Class index and cell agree, and only the measures know better."""
    cells = arrays["cell"] // 9 * 9 + (arrays["cell"] + 1) % 9
    order = np.argsort(cells)
    return {name: array[order] for name, array in arrays.items()} | {"cell": cells[order]}


FORGED = {
    "shifted": (changed("cell", lambda cells: np.roll(cells, 1)), "cell is not a list of different cells"),
    "in other classes": (changed("cell", lambda cells: cells + 9), "cells from "),
    "repeated": (changed("cell", np.zeros_like), "cell is not a list of different cells"),
    "boolean": (changed("cell", lambda cells: cells > 3), "cell is bool"),
    "of another count": (changed("cell", lambda cells: cells[:-1]), "images is uint8"),
    "too many": (
        changed("cell", lambda cells: np.arange(37, dtype=np.int32)),
        "cell is not a list of at most 36 cells",
    ),
    "no list": (changed("cell", lambda cells: cells[:, None]), "cell is not a list"),
    "in other cells": (all_shifted, "measures lie in other cells of the grid"),
    "genomes too short": (changed("genome", lambda genome: genome[:, :-1]), "genome is float32 ["),
    "genomes complex": (changed("genome", lambda genome: genome.astype(complex)), "genome is complex128"),
    "genomes of text": (changed("genome", lambda genome: genome.astype(str)), "genome is <U"),
    "genomes big-endian": (changed("genome", lambda genome: genome.astype(">f4")), "genome is >f4"),
    "genomes NaN": (changed("genome", first(np.nan)), "genome is not finite, in row 0"),
    "genomes too bright": (changed("genome", first(1.5)), "genome is not between 0 and 1, in row 0"),
    "genomes too dark": (changed("genome", first(-0.1)), "genome is not between 0 and 1, in row 0"),
    "born after": (changed("birth_generation", first(4)), "birth_generation is beyond the 3 generations"),
    "fitness NaN": (changed("fitness", first(np.nan)), "fitness is not finite"),
    "fitness infinite": (changed("fitness", first(np.inf)), "fitness is not finite"),
    "fitness of others": (changed("fitness", first(3.25)), "confidence is not that of fitness, in row 0"),
    "confidence NaN": (changed("confidence", first(np.nan)), "confidence is not that of fitness"),
    "other classes": (changed("class_index", first(3)), "class_index is not that of cell, in row 0"),
    "no such parent": (changed("parent_class", first(4)), "parent_class is not from -1 to 3"),
    "born before": (changed("birth_generation", first(-1)), "birth_generation is below 0"),
    "never replaced": (changed("num_replacements", first(0)), "num_replacements is below 1"),
    "curiosity NaN": (changed("curiosity", first(np.nan)), "curiosity is not finite"),
    "measures NaN": (changed("measures", first(np.nan)), "measures lie in other cells"),
    "measures out of range": (changed("measures", first(-1)), "measures lie in other cells"),
    "images of floats": (changed("images", lambda images: images / 255), "images is float64"),
    "images lost": (lambda arrays: {n: a for n, a in arrays.items() if n != "images"}, "images is missing"),
    "one more": (
        lambda arrays: arrays | {"\x1b[2J": np.zeros(3)},
        r"it holds '\x1b[2J', which no run writes",
    ),
}


@pytest.mark.parametrize("how", FORGED)
@pytest.mark.parametrize("is_sealed", [True, False], ids=["with a digest", "of a former version"])
def test_arrays_that_do_not_agree_are_refused(folder, how, is_sealed):
    """Whoever forges a file can forge its digest, or leave it away."""
    change, expected = FORGED[how]
    arrays = change({n: a for n, a in arrays_of(folder).items() if n not in elites_file.SEAL})
    put(folder, elites_file.sealed(arrays) if is_sealed else arrays)
    refused(folder, f"does not fit config.json: {expected}")


def test_a_file_of_a_former_version_has_no_digest_and_is_read(folder):
    result = qdfool.load(folder)
    arrays = arrays_of(folder)
    put(folder, {n: a for n, a in arrays.items() if n not in elites_file.SEAL})
    np.testing.assert_array_equal(qdfool.load(folder).elites.genome, result.elites.genome)
    qdfool.load(FORMER)


def test_what_only_the_digest_knows_is_refused(folder):
    arrays = arrays_of(folder)
    put(folder, arrays | {"genome": 1 - arrays["genome"]})
    refused(folder, "not those that its sha256 was computed of")
    del arrays["schema_version"]
    put(folder, arrays)
    refused(folder, "schema_version is missing")


def test_another_schema_version_is_named(folder, monkeypatch):
    arrays = {n: a for n, a in arrays_of(folder).items() if n not in elites_file.SEAL}
    with monkeypatch.context() as patch:
        patch.setattr(elites_file, "SCHEMA", 7)
        put(folder, elites_file.sealed(arrays))
    refused(folder, "its schema version is 7, not 1")


def member(folder: Path, name: str, content: bytes, how: int = zipfile.ZIP_DEFLATED) -> None:
    """Puts a file into elites.npz, in place of the one of that name."""
    with zipfile.ZipFile(folder / "elites.npz") as file:
        others = {other: file.read(other) for other in file.namelist() if other != name}
    with zipfile.ZipFile(folder / "elites.npz", "w") as file:
        for other, there in others.items():
            file.writestr(other, there)
        file.writestr(name, content, how)


def array_file(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    size = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + header.encode() + content


HUGE = 100_000_000
"""Bytes of zeros, which a zip holds in a thousandth."""


def bomb() -> bytes:
    """An array of 100 MB of zeros, compressed by hand so that no test holds it."""
    compressor = zlib.compressobj(9, wbits=-15)
    head = array_file(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({HUGE},)}}")
    part, total = bytes(1_000_000), zlib.crc32(head)
    packed = [compressor.compress(head)]
    for _ in range(HUGE // len(part)):
        packed.append(compressor.compress(part))
        total = zlib.crc32(part, total)
    content = b"".join([*packed, compressor.flush()])
    name, size = b"extra.npy", len(head) + HUGE
    numbers = b"".join(number.to_bytes(4, "little") for number in (total, len(content), size))
    local = (
        b"PK\x03\x04\x14\0\0\0\x08\0\0\0\x21\0" + numbers + len(name).to_bytes(2, "little") + b"\0\0" + name
    )
    central = b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\x21\0" + numbers + len(name).to_bytes(2, "little")
    central += bytes(16) + name
    start = len(local) + len(content)
    end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0" + len(central).to_bytes(4, "little") + start.to_bytes(4, "little")
    return local + content + central + end + b"\0\0"


@pytest.mark.parametrize("name", ["elites.npz", "history.npz"])
def test_an_array_that_is_not_expected_is_not_inflated(folder, name):
    (folder / name).write_bytes(bomb())
    with zipfile.ZipFile(folder / name) as file:
        assert file.getinfo("extra.npy").file_size > HUGE
    qdfool.load(FORMER)  # what is imported or compiled does not count
    tracemalloc.start()
    refused(folder, "does not fit config.json: ", name)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000


@pytest.mark.parametrize(
    ("name", "content", "how", "expected"),
    [
        ("cell.npy", array_file("(" * 9000), zipfile.ZIP_DEFLATED, "is damaged"),
        ("cell.npy", array_file("-" * 9000 + "1"), zipfile.ZIP_DEFLATED, "is damaged"),
        (
            "cell.npy",
            array_file("{'descr': '<i4', 'fortran_order': False, 'shape': (99" + "9" * 5000 + ",)}"),
            zipfile.ZIP_DEFLATED,
            "is damaged",
        ),
        (
            "cell.npy",
            array_file("{'descr': '<i4', 'fortran_order': False, 'shape': (-3,)}"),
            zipfile.ZIP_DEFLATED,
            "cell is not a list",
        ),
        (
            "cell.npy",
            array_file("{'descr': '<i4', 'fortran_order': False, 'shape': (2,)}", bytes(9)),
            zipfile.ZIP_DEFLATED,
            "does not fit",
        ),
        ("cell.npy", array_file("{}", version=b"\x02\x00"), zipfile.ZIP_DEFLATED, "another version than 1.0"),
        ("cell.npy", b"", zipfile.ZIP_LZMA, "is compressed as NumPy does not"),
        ("cell", b"", zipfile.ZIP_STORED, "there twice"),
    ],
    ids=["brackets", "minuses", "digits", "negative", "too long", "version", "lzma", "twice"],
)
def test_what_is_no_file_of_numpy_s_is_refused(folder, name, content, how, expected):
    member(folder, name, content, how)
    refused(folder, expected)


def test_a_table_of_contents_is_bounded(folder):
    with zipfile.ZipFile(folder / "elites.npz", "w") as file:
        for number in range(300):
            file.writestr(str(number), b"")
    refused(folder, "more than 256")
    # One that says that it has a gigabyte, of a file that has not.
    content = io.BytesIO()
    np.savez(content, cell=np.zeros(3))
    ended = bytearray(content.getvalue() + bytes(2_000_000) + content.getvalue()[-22:])
    ended[-10:-6] = (1_900_000).to_bytes(4, "little")
    (folder / "elites.npz").write_bytes(ended)
    refused(folder, "a part of more than 1,048,576 bytes")


def test_an_archive_that_no_memory_holds_is_refused_before_it_is_made(folder, monkeypatch):
    monkeypatch.setattr("qdfool.build.memory.host_memory", lambda: 5_000)
    with pytest.raises(
        InputError, match=r"config\.json: An archive of 36 cells with genomes of 256 bytes needs"
    ):
        qdfool.load(folder)


HISTORIES = {
    "lost": (lambda arrays: {n: a for n, a in arrays.items() if n != "updates"}, "updates is missing"),
    "one more": (lambda arrays: arrays | {"extra": np.zeros(3)}, "it holds 'extra'"),
    "too long": (
        changed("generation", lambda _: np.arange(2000, dtype=np.int32)),
        "generation is not a list of at most 1,025",
    ),
    "of other classes": (changed("fitness", lambda fitness: fitness[:, :-1]), "fitness is float32 [3, 3]"),
    "complex": (changed("fitness", lambda fitness: fitness.astype(complex)), "fitness is complex128"),
    "backwards": (changed("generation", lambda generation: generation[::-1]), "generation does not count up"),
    "fitness NaN": (changed("fitness", first(np.nan)), "fitness is not a number"),
    "to come": (changed("generation", lambda generation: generation + 1), "generation is beyond the 3"),
    "updates below 0": (changed("updates", first(-1)), "updates are below 0"),
    "last updates below 0": (changed("last_updates", first(-1)), "updates are below 0"),
    "score infinite": (changed("qd_score", first(np.inf)), "qd_score is below 0"),
    "coverage of 2": (changed("coverage", first(2)), "coverage is not between 0 and 1"),
}


@pytest.mark.parametrize("how", HISTORIES)
def test_a_history_that_cannot_be_is_refused(folder, how):
    change, expected = HISTORIES[how]
    put(folder, change(arrays_of(folder, "history.npz")), "history.npz")
    refused(folder, f"does not fit config.json: {expected}", "history.npz")


def graphs() -> Graph:
    """Two random networks, of 5 x 5 grey pixels, with one hidden node in the first."""
    encoding = build_encoding(replace(Config(), encoding="cppn"), (5, 5, 1))
    drawn = jax.tree.map(
        np.array, jax.jit(jax.vmap(encoding.initialise))(jax.random.split(jax.random.key(0), 2))
    )
    drawn.alive[0, 5] = True
    return drawn


GRAPHS = {
    "no input": ("alive", (1, 0), False, "genome lacks an input or output, in row 1"),
    "no output": ("alive", (0, 4), False, "genome lacks an input or output, in row 0"),
    "no function": ("activation", (0, 5), 5, "genome.activation is no function that there is, in row 0"),
    "a negative function": ("activation", (1, 4), -1, "genome.activation is no function"),
    "from nowhere": ("source", (1, 0), 64, "genome.source is no node"),
    "from before": ("source", (0, 0), -1, "genome.source is no node"),
    "from an output": ("source", (0, 0), 4, "genome.source is no node"),
    "from a free node": (
        "source",
        (1, 0),
        5,
        "genome.source is no node that a connection can have there, in row 1",
    ),
    "to an input": ("target", (0, 1), 3, "genome.target is no node"),
    "to nowhere": ("target", (0, 1), 2**31 - 1, "genome.target is no node"),
    "weight NaN": ("weight", (0, 0), np.nan, "genome.weight is not finite"),
    "refused below 0": ("refused", 0, -1, "genome.refused is below 0"),
}


@pytest.mark.parametrize("how", GRAPHS)
def test_networks_that_cannot_be_are_refused(how):
    name, place, value, expected = GRAPHS[how]
    config, found = replace(Config(), encoding="cppn"), graphs()
    check_genomes(config, (5, 5, 1), found)
    getattr(found, name)[place] = value
    with pytest.raises(ValueError, match=expected):
        check_genomes(config, (5, 5, 1), found)


def test_genomes_are_checked_a_part_at_a_time(monkeypatch):
    config, found = (
        replace(Config(), encoding="cppn"),
        jax.tree.map(lambda leaf: np.repeat(leaf, 5, 0), graphs()),
    )
    monkeypatch.setattr(
        genome_check, "BYTES_AT_ONCE", 2 * sum(leaf.nbytes for leaf in jax.tree.leaves(found)) // 10
    )
    check_genomes(config, (5, 5, 1), found)
    found.weight[9, 0] = np.nan
    with pytest.raises(ValueError, match=r"genome\.weight is not finite, in row 9"):
        check_genomes(config, (5, 5, 1), found)


@pytest.mark.parametrize(
    ("encoding", "gene", "fine"),
    [("binary", 1, True), ("binary", 2, False), ("black_pixels", 25, True), ("black_pixels", 26, False)],
)
def test_genes_out_of_range_are_refused(encoding, gene, fine):
    genome = np.full((2, 5), gene, np.uint8)
    with contextlib.nullcontext() if fine else pytest.raises(ValueError, match="in row 0"):
        check_genomes(replace(Config(), encoding=encoding), (5, 5, 1), genome)


def test_operators_of_a_user_may_leave_pixels_out_of_range():
    config = replace(Config(), mutation=replace(Config().mutation, operators=("own_parts:jitter",)))
    check_genomes(config, (5, 5, 1), np.full((2, 5, 5, 1), 1.5, np.float32))


@pytest.mark.parametrize("figure", ['"3"', "true", "-1", "null", "1e30", "2.5"])
def test_figures_that_cannot_be_are_refused(folder, figure):
    (folder / "summary.json").write_text(f'{{"generations": {figure}, "seconds": 1, "compile_seconds": 1}}')
    refused(folder, "is damaged: expected numbers as generations", "summary.json")


def test_what_is_read_is_what_was_written(tmp_path):
    arrays = {
        "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "none": np.zeros((0, 3), np.int8),
        "scalar": np.array(7),
    }
    npz.write(tmp_path / "file.npz", arrays)
    found = npz.read(tmp_path / "file.npz", lambda headers: headers)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
