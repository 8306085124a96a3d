"""How many seeds evolve side by side: what is chosen for a device, and what is refused."""

from dataclasses import replace

import fake
import pytest

from qdfool.build import Target, seeds_at_once, with_batch_size, with_defaults
from qdfool.build.memory import CELL_BYTES, genome_bytes
from qdfool.classifiers.custom import wrap
from qdfool.errors import InputError

GPU = Target("cuda", 10**9)


@pytest.fixture
def whole(small):
    return with_defaults(small, fake.SHAPE)


def test_a_cpu_has_one_at_a_time_unless_it_is_told(whole):
    assert seeds_at_once(whole, fake.classifier, 10, Target("cpu")) == 1
    assert seeds_at_once(replace(whole, seeds_at_once=4), fake.classifier, 10, Target("cpu")) == 4
    assert seeds_at_once(replace(whole, seeds_at_once=40), fake.classifier, 10, Target("cpu")) == 10


@pytest.mark.parametrize(("seeds", "expected"), [(1, 1), (10, 10), (1000, 64)])
def test_another_device_has_all_that_are_some_use(whole, seeds, expected):
    assert seeds_at_once(whole, fake.classifier, seeds, GPU) == expected
    assert seeds_at_once(replace(whole, seeds_at_once=1), fake.classifier, seeds, GPU) == 1


def test_what_is_chosen_fits_and_follows_the_memory(whole):
    """Half the memory holds, of each, two archives and what its children need, at most 64 images each."""
    large = replace(fake.classifier, image_shape=(64, 64, 3))
    config = with_batch_size(replace(whole, batch_size=100), large, GPU)
    genome, image = genome_bytes(config, large.image_shape), 4 * 64 * 64 * 3
    each = 2 * 4 * (genome + CELL_BYTES) + 1024 * 4 * 8 + 100 * (64 * image + 2 * genome)
    for count in (2, 3):
        memory = 2 * count * each
        assert seeds_at_once(config, large, 10, Target("cuda", memory)) == count
        assert seeds_at_once(config, large, 10, Target("cuda", memory - 1)) == count - 1


def test_more_than_the_memory_holds_is_refused_with_what_it_does(whole):
    with pytest.raises(
        InputError,
        match=r"1,024 seeds side by side need about 0\.1 GB of memory, of which there are 0\.0 GB, and have 4,096",
    ) as refused:
        seeds_at_once(replace(whole, seeds_at_once=1024), fake.classifier, 2000, Target("cuda", 10**7))
    most = int(str(refused.value).split("at most ")[1].rstrip("."))
    fits = replace(whole, seeds_at_once=most)
    assert seeds_at_once(fits, fake.classifier, 2000, Target("cuda", 10**7)) == most


def test_the_cells_of_all_are_as_many_as_can_be_numbered(whole, monkeypatch):
    monkeypatch.setattr("qdfool.build.seeds.MOST_CELLS", 11)  # The archive has four.
    assert seeds_at_once(whole, fake.classifier, 10, GPU) == 2
    assert seeds_at_once(replace(whole, seeds_at_once=2), fake.classifier, 10, GPU) == 2
    with pytest.raises(
        InputError, match=r"12 cells, of which there may be 11\. Give `seeds_at_once` of at most 2\."
    ):
        seeds_at_once(replace(whole, seeds_at_once=3), fake.classifier, 10, GPU)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"devices": 2}, "where 2 `devices` share a batch"),
        ({"seconds": 3.0}, "with a budget in `seconds`"),
        ({}, "where the classifier is called from the host"),
    ],
)
def test_what_must_take_turns_does_and_is_refused_otherwise(whole, setting, why):
    classifier = fake.classifier if setting else wrap(fake.host_logits, fake.SHAPE)
    assert seeds_at_once(replace(whole, **setting), classifier, 10, GPU) == 1
    with pytest.raises(InputError, match=f"`seeds_at_once` must be 1 {why}"):
        seeds_at_once(replace(whole, seeds_at_once=3, **setting), classifier, 10, GPU)
