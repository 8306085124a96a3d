"""What a run needs of the memory is estimated, and refused with the estimate where there is not so much."""

from dataclasses import replace

import fake
import pytest

from qdfool.api import AskTell
from qdfool.build import memory, with_batch_size
from qdfool.classifiers.custom import wrap
from qdfool.config import Selection
from qdfool.errors import InputError


def test_a_batch_that_no_memory_holds_is_refused_with_the_estimate(small, monkeypatch):
    monkeypatch.setattr("qdfool.build.memory.host_memory", lambda: 1_000_000_000)
    monkeypatch.setattr("qdfool.build.memory.device_memory", lambda: 1_000_000_000)
    assert with_batch_size(replace(small, batch_size=2**18), fake.classifier).batch_size == 2**18
    with pytest.raises(
        InputError,
        match=r"about 2\.\d GB of memory .* 2\.\d GB for a batch of 1,048,576 children.* has 1\.0 GB",
    ):
        with_batch_size(replace(small, batch_size=2**20), fake.classifier)
    tournament = replace(small, batch_size=2**12, selection=Selection("tournament", 5000))
    with pytest.raises(InputError, match=r"2\.\d GB for a batch of 4,096 children"):
        with_batch_size(tournament, fake.classifier)
    # What is chosen fits as well.
    with_batch_size(replace(small, batch_size=0), fake.classifier)


def test_records_of_very_many_classes_are_counted(small, monkeypatch):
    monkeypatch.setattr("qdfool.build.memory.host_memory", lambda: 1_000_000_000)
    many = replace(fake.classifier, class_names=tuple(map(str, range(100_000))))
    with pytest.raises(InputError, match=r"2\.\d GB for records"):
        with_batch_size(small, many)


@pytest.mark.parametrize(("smaller", "named"), [("device", "the device"), ("host", "this machine")])
def test_the_device_and_the_host_are_asked_each_for_its_own(small, monkeypatch, smaller, named):
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    for name in ("device", "host"):
        there = 5_000 if name == smaller else 10**12
        monkeypatch.setattr(f"qdfool.build.memory.{name}_memory", lambda there=there: there)
    with pytest.raises(InputError, match=rf"{named} has 0\.0 GB"):
        with_batch_size(small, fake.classifier)


def test_a_container_has_no_more_than_its_limit(tmp_path, monkeypatch):
    whole = memory.host_memory()
    (tmp_path / "limit").write_text("123456\n")
    (tmp_path / "none").write_text("max\n")
    monkeypatch.setattr(memory, "LIMITS", (str(tmp_path / "none"), str(tmp_path / "missing")))
    assert memory.host_memory() >= whole
    monkeypatch.setattr(memory, "LIMITS", (str(tmp_path / "none"), str(tmp_path / "limit")))
    assert memory.host_memory() == 123_456


@pytest.mark.parametrize("shape", [(100_000, 100_000, 3), (8, 2**63, 1), (5_000, 5_000, 1), (0, 8, 1)])
def test_images_that_nothing_holds_are_refused_before_any_is_made(small, shape):
    def logits(images):
        raise AssertionError("not to be called")

    logits.__dict__["image_shape"] = shape
    with pytest.raises(InputError, match="image_shape of logits must"):
        wrap(logits)
    with pytest.raises(InputError, match="`image_shape` must"):
        AskTell(small, shape, ("a", "b"))


def test_an_archive_that_no_memory_holds_is_refused(small):
    config = replace(small, archive="grid", cells=(100_000, 100_000))
    with pytest.raises(
        InputError, match="An archive of 40,000,000,000 cells with genomes of 256 bytes needs"
    ):
        with_batch_size(config, fake.classifier)


def test_cells_that_may_stay_empty_have_no_images(small, monkeypatch):
    monkeypatch.setattr("qdfool.build.memory.host_memory", lambda: 100_000_000)
    grid = replace(small, archive="grid", cells=(500, 100), encoding="cppn", batch_size=4)
    large = replace(fake.classifier, image_shape=(224, 224, 3))
    with pytest.raises(InputError, match=r"An archive of 200,000 cells .* needs about 0\.6 GB"):
        with_batch_size(grid, large)
    # An image for each of these cells would be 0.6 GB.
    with_batch_size(replace(grid, cells=(100, 10)), large)
