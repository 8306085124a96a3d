"""What you see is what was scored; and a run folder comes back as it was saved."""

import json
from dataclasses import replace

import fake
import jax
import numpy as np
import pytest
from PIL import Image

import qdfool
from qdfool.build import build_classifier
from qdfool.config import Mutation
from qdfool.engine.objectives import confidence
from qdfool.errors import InputError
from qdfool.results.snapshot import Snapshot

FLIPS = Mutation(operators=("bit_flip",), rate=0.02)


@pytest.fixture(scope="module")
def result(small):
    return qdfool.evolve(replace(small, archive="grid", cells=(4, 4)), fake.classifier)


def log_odds_of(classifier, images, batch):
    """Classified by the bare network, `batch` at a time."""
    logits = jax.jit(classifier.logits)
    padded = np.concatenate([images, np.zeros((-len(images) % batch, *images.shape[1:]), images.dtype)])
    parts = [logits(classifier.parameters, part) for part in padded.reshape(-1, batch, *images.shape[1:])]
    z = np.concatenate(parts)[: len(images)].astype(np.float64)
    others = [np.delete(z, index, axis=1) for index in range(z.shape[1])]
    return np.stack([z[:, k] - np.logaddexp.reduce(rest, axis=1) for k, rest in enumerate(others)], axis=1)


@pytest.mark.parametrize(
    ("encoding", "archive"),
    [
        ("pixels", "class"),
        *(
            pytest.param(*case, marks=pytest.mark.release)
            for case in (("pixels", "grid"), ("binary", "class"), ("binary", "grid"), ("cppn", "class"))
        ),
    ],
)
def test_a_png_classified_again_has_the_confidence_of_the_archive(tmp_path, archive, encoding):
    config = replace(
        qdfool.preset({"pixels": "mnist-direct", "binary": "mnist-binary", "cppn": "mnist-cppn"}[encoding]),
        archive=archive,
        cells=(8, 8),
        generations=25,
    )
    classifier = build_classifier(config)
    result = qdfool.evolve(config, classifier)
    result.save(tmp_path)
    with np.load(tmp_path / "elites.npz", allow_pickle=False) as file:
        elites = dict(file)
    read = []
    for number, image in enumerate(elites["images"]):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number}.png")
        read.append(np.asarray(Image.open(tmp_path / f"{number}.png"))[..., None])
    np.testing.assert_array_equal(read, elites["images"])
    images = np.asarray(read, np.float32) / 255
    np.testing.assert_array_equal(images, result.images())
    rows = np.arange(len(images))
    for batch in (1, 2, config.batch_size, 2 * config.batch_size):
        again = confidence(log_odds_of(classifier, images, batch)[rows, elites["class_index"]])
        np.testing.assert_allclose(again, elites["confidence"], atol=1e-5)


@pytest.mark.parametrize(
    ("budget", "ended_by"),
    [
        ({"generations": 10}, "generations"),
        ({"evaluations": 120}, "evaluations"),
        ({"seconds": 1e-9}, "seconds"),
        ({"generations": 11}, None),
        ({"evaluations": 132, "seconds": 1e9}, None),
    ],
)
def test_the_summary_names_the_budget_that_ended_the_run(result, budget, ended_by):
    none = {"generations": None, "evaluations": None, "seconds": None}
    other = replace(result, config=replace(result.config, **{**none, **budget}))
    assert other.summary()["ended_by"] == ended_by


def test_a_result_is_shown_in_a_line(result):
    assert repr(result) == f"<Result of mnist-direct on fake: {len(result.cells())} elites, 10 generations>"


def test_a_grid_need_not_be_square(small, tmp_path, monkeypatch):
    monkeypatch.setattr(qdfool.Result, "draw", lambda self, directory, classifier=None: None)
    result = qdfool.evolve(replace(small, archive="grid", cells=(5, 3)), fake.classifier)
    result.save(tmp_path / "run")
    loaded = qdfool.load(tmp_path / "run")
    assert len(loaded.elites.fitness) == 4 * 5 * 3
    np.testing.assert_array_equal(loaded.elites.fitness, result.elites.fitness)
    assert len(loaded.archive) == len(result.archive) == len(result.cells())


def test_what_is_occupied_is_the_same_on_the_device_and_in_every_file(small, tmp_path):
    """Log-odds beyond what float32 holds are an elite like others."""
    audit = qdfool.AskTell(small, fake.SHAPE, ("a", "b", "c"))
    logits = np.zeros((small.batch_size, 3), np.float32)
    logits[:, 1] = np.finfo(np.float32).max
    logits[:, 2] = np.finfo(np.float32).min
    audit.ask()
    audit.tell(logits)
    result = audit.result()
    assert result.summary()["coverage"] == result.metrics[-1].coverage == 1
    assert len(result.archive) == result.summary()["elites"] == 3
    assert result.image("b").shape == result.image("c").shape == fake.SHAPE
    result.save(tmp_path / "run")
    np.testing.assert_array_equal(qdfool.load(tmp_path / "run").cells(), result.cells())


def test_a_run_folder_comes_back(tmp_path, result):
    result.save(tmp_path / "run")
    loaded = qdfool.load(tmp_path / "run")
    jax.tree.map(np.testing.assert_array_equal, loaded.elites, result.elites)
    np.testing.assert_array_equal(loaded.images(), result.images())
    np.testing.assert_array_equal(loaded.confidences(), result.confidences())
    np.testing.assert_array_equal(
        np.sort(loaded.archive.data("index")), np.sort(result.archive.data("index"))
    )
    assert loaded.summary() == result.summary()
    assert loaded.config == result.config
    assert list(loaded.metrics) == list(result.metrics)
    for name, rows in vars(result.history).items():
        np.testing.assert_array_equal(vars(loaded.history)[name], rows)


def test_the_files_are_those_of_the_readme(tmp_path, result):
    result.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "metrics.csv",
        "summary.json",
        "elites.npz",
        "history.npz",
        "gallery.png",
        "heatmap.png",
        "curves.png",
        "report.html",
    }
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["elites"] == len(result.archive)
    assert summary["coverage"] == pytest.approx(len(result.archive) / 64)
    assert summary["qd_score"] == pytest.approx(result.confidences().sum())
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings["versions"]["jax"] == jax.__version__
    with np.load(tmp_path / "elites.npz", allow_pickle=False) as file:
        assert file["images"].shape == (len(result.archive), *fake.SHAPE)
        assert file["images"].dtype == np.uint8
        assert file["measures"].shape == (len(result.archive), 2)
        assert file["genome"].shape == (len(result.archive), *fake.SHAPE)


def test_a_folder_with_a_run_in_it_is_not_overwritten_unless_told_to(tmp_path, small, result):
    result.save(tmp_path)
    before = (tmp_path / "elites.npz").read_bytes()
    other = qdfool.evolve(replace(small, mutation=FLIPS), fake.classifier)
    with pytest.raises(InputError, match="has a run in it"):
        other.save(tmp_path)
    assert (tmp_path / "elites.npz").read_bytes() == before
    other.save(tmp_path, overwrite=True)
    assert (tmp_path / "elites.npz").read_bytes() != before


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, result):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"Cannot write to .*file/run"):
        result.save(tmp_path / "file" / "run")


@pytest.mark.parametrize("name", ["config.json", "summary.json", "elites.npz", "history.npz"])
def test_a_missing_or_damaged_file_is_named(tmp_path, result, name):
    result.save(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=f"{name} is damaged"):
        qdfool.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"No {name} in"):
        qdfool.load(tmp_path)


def test_damaged_metrics_are_named(tmp_path, result):
    result.save(tmp_path)
    (tmp_path / "metrics.csv").write_text("generation,evaluations\nmany,more\n")
    with pytest.raises(InputError, match=r"metrics.csv is damaged"):
        qdfool.load(tmp_path)


def test_a_pickle_in_elites_is_refused(tmp_path, result):
    result.save(tmp_path)
    np.savez(tmp_path / "elites.npz", cell=np.array([{"code": 1}], object))
    with pytest.raises(InputError, match="is damaged"):
        qdfool.load(tmp_path)


def test_elites_of_another_config_are_refused(tmp_path, small, result):
    result.save(tmp_path / "grid")
    qdfool.evolve(replace(small, batch_size=3, generations=1), fake.classifier).save(tmp_path / "class")
    (tmp_path / "class" / "elites.npz").write_bytes((tmp_path / "grid" / "elites.npz").read_bytes())
    values = json.loads((tmp_path / "class" / "config.json").read_text())
    values["classifier"]["image_shape"] = [5, 5, 1]
    (tmp_path / "class" / "config.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="does not fit"):
        qdfool.load(tmp_path / "class")


@pytest.fixture(scope="module")
def cppns():
    config = replace(qdfool.preset("mnist-cppn"), generations=10, batch_size=20)
    return qdfool.evolve(config)


@pytest.mark.slow
def test_the_network_of_an_elite_is_drawn(tmp_path, cppns):
    cppns.draw_cppn(tmp_path / "seven.png", "7")
    cppns.draw_cppn(tmp_path / "three.png", "3")
    seven, three = ((tmp_path / f"{name}.png").read_bytes() for name in ("seven", "three"))
    assert seven != three
    with Image.open(tmp_path / "seven.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300


def test_image_and_confidence_are_those_of_the_best_elite_of_a_class(result):
    fitness = np.asarray(result.elites.fitness).reshape(4, 16)
    for number, name in enumerate("abcd"):
        image = result.image(name)
        assert (image.shape, image.dtype) == (fake.SHAPE, np.float32)
        logits = fake.logits(image[None].astype(np.float64))[0]
        expected = np.exp(logits[number] - np.logaddexp.reduce(logits))
        assert isinstance(result.confidence(name), float)
        assert result.confidence(name) == pytest.approx(expected, abs=1e-5)
        assert result.confidence(name) == confidence(fitness[number].max())
    assert not np.array_equal(result.image("a"), result.image("b"))


@pytest.mark.parametrize("of", ["image", "confidence"])
def test_image_and_confidence_of_no_elite_are_refused(result, of):
    with pytest.raises(InputError, match=r"Unknown class 'e'\..* Known: a, b, c, d"):
        getattr(result, of)("e")
    with pytest.raises(InputError, match="Unknown class '7'"):
        getattr(result, of)(7)
    elites = result.elites
    none = np.where(np.arange(64) // 16 == 2, -np.inf, elites.fitness).astype(np.float32)
    empty = replace(result, snapshot=Snapshot(elites._replace(fitness=none)))
    with pytest.raises(InputError, match="The class 'c' has no elite"):
        getattr(empty, of)("c")


def test_what_cannot_be_drawn_is_named(tmp_path, result):
    with pytest.raises(InputError, match="Unknown class 'seven'"):
        result.draw_cppn(tmp_path / "x.png", "seven")
    with pytest.raises(InputError, match="Only a CPPN has a graph to draw; this run's encoding is 'pixels'"):
        result.draw_cppn(tmp_path / "x.png", "a")
    assert not (tmp_path / "x.png").exists()


@pytest.mark.slow
def test_a_cppn_run_comes_back_with_its_networks(tmp_path, cppns):
    cppns.save(tmp_path / "run")
    loaded = qdfool.load(tmp_path / "run")
    for one, other in zip(
        jax.tree.leaves(loaded.elites.genome), jax.tree.leaves(cppns.elites.genome), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(loaded.images(), cppns.images())
    np.testing.assert_array_equal(loaded.archive.data("solution"), cppns.archive.data("solution"))
    assert loaded.summary() == cppns.summary()


def test_parts_do_not_show(monkeypatch, result, small):
    """What is decoded, sent to pyribs and saved a part at a time is the same as at once."""
    monkeypatch.setattr("qdfool.results.result.VALUES_PER_DECODING", 200)
    monkeypatch.setattr("qdfool.results.pyribs.GENOME_BYTES_PER_ADD", 700)
    again = qdfool.evolve(result.config, fake.classifier)
    np.testing.assert_array_equal(again.images(), result.images())
    for name in ("solution", "objective", "num_replacements"):
        np.testing.assert_array_equal(again.archive.data(name), result.archive.data(name))


def test_the_summary_counts_the_cells_of_a_grid_and_not_its_classes_alone(small):
    result = qdfool.evolve(replace(small, archive="grid", cells=(4, 4), generations=300), fake.classifier)
    figures = result.summary()
    sure = confidence(result.snapshot.fitness) >= 0.9999
    assert figures["cells_at_9999"] == sure.sum() > figures["classes_at_9999"]
