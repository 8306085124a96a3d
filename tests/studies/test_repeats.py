"""What repeats is found where it was put, nothing where there is none; copies go; the answer follows the numbers."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qdfool.analysis.statistics import Interval
from qdfool.errors import InputError
from qdfool.studies.repeats import STUDY, answer, effects, occlusion, pictures, search
from qdfool.studies.repeats.conditions import Settings, Unit
from qdfool.studies.repeats.detection import NOTHING, Repeats, correlation, repeats
from qdfool.studies.repeats.removal import (
    FILLS,
    background,
    between,
    covered,
    removed,
    schedule,
    without,
)
from qdfool.studies.repeats.search import course, padded
from qdfool.studies.study import Workbench

SIDE = 96
CROSS = np.array([[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 1, 1, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1]], float)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def crosses(places: list[tuple[int, int]], channels: int = 3, noise: float = 0.05) -> np.ndarray:
    """Grey paper with a cross of 10 x 10 pixels at each place (its upper left pixel), and a little noise."""
    image = np.full((SIDE, SIDE, channels), 0.4)
    for row, column in places:
        image[row : row + 10, column : column + 10] += 0.5 * np.kron(CROSS, np.ones((2, 2)))[..., None]
    return np.clip(image + noise * generator().standard_normal(image.shape), 0, 1)


def centres(found: Repeats) -> np.ndarray:
    return found.places + (np.array(found.patch) - 1) / 2


def test_the_correlation_is_pearsons_over_the_pixels_that_both_have():
    element, image = generator(1).random((4, 5, 2)), generator(2).random((7, 6, 2))
    found = correlation(element, image)
    assert found.shape == (10, 10)
    for row, column in ((3, 4), (6, 5), (1, 2), (8, 7)):  # within the image, and sticking out of it
        down, across = row - 3, column - 4
        rows = [at for at in range(4) if 0 <= at + down < 7]
        columns = [at for at in range(5) if 0 <= at + across < 6]
        one = element[np.ix_(rows, columns)]
        other = image[np.ix_(np.array(rows) + down, np.array(columns) + across)]
        one, other = (part - part.mean((0, 1)) for part in (one, other))
        expected = (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())
        assert found[row, column] == pytest.approx(expected)
    assert found[0, 0] == 0  # of a single pixel nothing can be said
    assert not correlation(element, np.full((7, 6, 2), 0.3)).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_lattice_is_found_with_its_period_and_its_places(channels):
    put = [(row, column) for row in range(6, 80, 20) for column in range(4, 80, 20)]
    found = repeats(crosses(put, channels))
    assert found.period == pytest.approx(20, abs=1)
    assert found.strength > 0.6
    assert found.patch == (10, 10)
    assert len(found.places) == len(put) == 16
    # Copies lie as the crosses do, each as far from its cross as all others.
    apart = centres(found)[:, None] - (np.array(put) + 4.5)
    nearest = apart[np.arange(16), np.abs(apart).sum(-1).argmin(1)]
    assert np.ptp(nearest, axis=0).max() <= 1
    assert np.abs(nearest).max() <= 5


def test_a_slanting_row():
    put = [(10 + 12 * number, 8 + 16 * number) for number in range(5)]
    found = repeats(crosses(put))
    assert found.period == pytest.approx(20, abs=1)
    assert len(found.places) == 5


def test_a_copy_that_is_missing_is_not_made_up():
    put = [(row, column) for row in range(6, 80, 20) for column in range(4, 80, 20)]
    found = repeats(crosses(put[:5] + put[6:]))
    assert found.period == pytest.approx(20, abs=1)
    assert len(found.places) == 15
    assert not (np.abs(centres(found) - (np.array(put[5]) + 4.5)).max(1) <= 5).any()


def test_stripes_reach_from_border_to_border():
    row = np.arange(SIDE)
    stripes = np.broadcast_to(0.5 + 0.4 * np.sin(2 * np.pi * row / 16)[:, None, None], (SIDE, SIDE, 1))
    found = repeats(stripes)
    assert found.period == pytest.approx(16, abs=1)
    assert found.patch == (8, SIDE)
    assert 5 <= len(found.places) <= 6
    assert np.ptp(np.diff(np.sort(found.places[:, 0]))) <= 1
    upright = repeats(np.swapaxes(stripes, 0, 1))
    assert upright.patch == (SIDE, 8)


@pytest.mark.parametrize("side", [28, SIDE])
def test_noise_a_slope_a_single_thing_and_blank_paper_do_not_repeat(side):
    ramp = np.broadcast_to(np.linspace(0, 1, side)[:, None, None], (side, side, 1))
    blob = np.exp(-((np.indices((side, side)) - side / 2) ** 2).sum(0) / side)[..., None]
    assert repeats(ramp).strength == repeats(blob).strength == 0
    assert len(repeats(np.full((side, side, 3), 0.5)).places) == 0
    for seed in range(4):
        noise = generator(seed).random((side, side, 1 if side == 28 else 3))
        assert repeats(noise).strength == 0


def test_copies_that_are_strewn_are_found_if_two_lie_near():
    put = [(5, 7), (40, 20), (15, 60), (70, 50), (62, 6)]
    found = repeats(crosses(put))
    apart = np.abs(centres(found)[:, None] - (np.array(put) + 4.5)).max(-1)
    assert found.period == pytest.approx(np.hypot(62 - 40, 20 - 6), abs=1)
    assert len(found.places) == 5
    assert apart.min(1).max() <= 2
    assert sorted(apart.argmin(1)) == [0, 1, 2, 3, 4]


def test_copies_kept_fall_to_one_and_none():
    assert schedule(3) == [3, 2, 1, 0]
    assert schedule(13) == [13, 12, 8, 6, 4, 3, 2, 1, 0]


def test_backgrounds_have_no_pattern():
    image = np.round(255 * crosses([(10, 10), (10, 40), (10, 70)], noise=0)).astype(np.uint8)
    image[:, :, 2] = 7
    blurred, border = (background(image, 30, fill) for fill in FILLS)
    assert blurred.std(axis=(0, 1))[:2].max() < image.std(axis=(0, 1))[:2].min() / 2
    assert blurred[..., 0].mean() == pytest.approx(image[..., 0].mean(), rel=0.05)
    assert border.reshape(-1, 3).tolist() == [[102, 102, 7]] * SIDE**2


def test_patches_between_touch_nothing():
    places = np.array([(row, column) for row in range(0, 40, 10) for column in range(0, 40, 10)])
    found = Repeats(1.0, 10.0, (5, 5), places)
    controls = between(found, (40, 40, 1), generator())
    assert len(controls) == len(places)
    assert not (covered((40, 40), controls, (5, 5)) & covered((40, 40), places, (5, 5))).any()
    assert covered((40, 40), controls, (5, 5)).sum() == 25 * len(controls)
    assert controls.tolist() != between(found, (40, 40, 1), generator(1)).tolist()
    full = Repeats(1.0, 10.0, (10, 10), places)
    assert len(between(full, (40, 40, 1), generator())) == 0


def example() -> tuple[np.ndarray, Repeats, np.ndarray]:
    """A black image of four bright copies, and patches between them."""
    image = np.zeros((16, 16, 1), np.uint8)
    places = np.array([(2, 2), (2, 10), (10, 2), (10, 10)])
    for row, column in places:
        image[row : row + 3, column : column + 3] = 200
    return image, Repeats(1.0, 8.0, (3, 3), places), np.array([(2, 6), (6, 2), (6, 6)])


def test_copies_and_patches_go_one_after_the_other():
    image, found, controls = example()
    turns = [[np.array([3, 1, 0, 2]), np.array([2, 0, 1])]]
    images = removed(image, found, controls, turns)
    assert images.shape == (1, 2, 2, 5, 16, 16, 1)
    assert images.dtype == np.uint8
    border = images[0, FILLS.index("border"), 0]
    bright = [{tuple(place) for place in found.places if step[tuple(place)].item()} for step in border]
    assert bright == [
        {(2, 2), (2, 10), (10, 2), (10, 10)},
        {(2, 2), (2, 10), (10, 2)},
        {(2, 2), (10, 2)},
        {(10, 2)},
        set(),
    ]
    for number, step in enumerate(images[0, FILLS.index("blur"), 1]):
        gone = covered(image.shape, controls[turns[0][1][:number]], found.patch)
        np.testing.assert_array_equal((step != image)[..., 0], gone)
    np.testing.assert_array_equal(without(image, image, found.places, found.patch), image)


def brightness(images: np.ndarray) -> np.ndarray:
    """Log-odds [n, 2] that count bright pixels: 9 to a copy."""
    bright = (images > 150).sum((1, 2, 3)) / 9.0
    return np.stack([bright, 1.5 - bright], 1).astype(np.float32)


def test_a_course_has_the_log_odds_of_what_is_left():
    image, found, controls = example()
    one = course(image, 0, found, controls, 3, brightness, generator())
    assert one["kept"].tolist() == [4, 3, 2, 1, 0]
    assert one["log_odds"].shape == (3, 2, 2, 5)
    np.testing.assert_allclose(one["log_odds"][:, :, 0], np.broadcast_to([4, 3, 2, 1, 0], (3, 2, 5)))
    np.testing.assert_allclose(one["log_odds"][:, :, 1, :4], 4)
    assert np.isnan(one["log_odds"][:, :, 1, 4]).all()  # three patches between four copies
    np.testing.assert_array_equal(
        one["called"][:, :, 0], np.broadcast_to([1, 1, 1, 1, 0], (3, 2, 5)).astype(bool)
    )
    assert not course(image, 1, found, controls, 3, brightness, generator())["called"][:, :, 1].any()
    last = one["places"][-1]
    ground = background(image, found.period, "border")
    left = without(image, ground, one["places"][:-1], found.patch)
    assert (left > 0).sum() == 9
    assert left[tuple(last)] > 0


def test_the_last_place_is_of_the_copy_that_is_kept():
    image, found, controls = example()
    number = np.zeros(image.shape)
    number[tuple(found.places.T)] = np.arange(1, 5)[:, None]

    def which(images: np.ndarray) -> np.ndarray:
        sums = ((images > 150) * number).sum((1, 2, 3))
        return np.stack([sums, -sums], 1).astype(np.float32)

    for seed in range(4):
        one = course(image, 0, found, controls, 2, which, generator(seed))
        kept = int(one["log_odds"][0, 0, 0, one["kept"].tolist().index(1)]) - 1
        assert one["places"][-1].tolist() == found.places[kept].tolist()


def test_padded():
    full = padded([np.ones((2, 1), int), np.ones((1, 3), int)], -1)
    assert full.tolist() == [[[1, -1, -1], [1, -1, -1]], [[1, 1, 1], [-1, -1, -1]]]
    assert len(padded([], -1)) == 0


def test_where_a_network_looks():
    image = np.zeros((8, 8, 1), np.uint8)
    squares = occlusion.slid(image, 2, 4)
    assert squares.shape == (16, 8, 8, 1)
    assert np.argwhere(squares[6]).min(0)[:2].tolist() == [2, 4]
    assert (squares == occlusion.GREY).sum((1, 2, 3)).tolist() == [4] * 16
    falls = np.zeros((4, 4))
    falls[1, 2], falls[0, 0] = 3.0, -5.0
    looked = occlusion.looked_at(falls, image.shape, 2)
    part = covered(image.shape, np.array([(2, 4)]), (2, 2))
    np.testing.assert_array_equal(looked, 3.0 * part)
    assert occlusion.density(looked, part) == 16
    assert occlusion.density(looked, ~part) == 0
    assert np.isnan(occlusion.density(0 * looked, part))
    overlapping = occlusion.looked_at(np.ones((7, 7)), image.shape, 2)
    np.testing.assert_array_equal(overlapping, np.ones((8, 8)))


def unit_of(images: int) -> Unit:
    """A seed with so many images as `example`, and none to look at otherwise."""
    image, found, controls = example()
    made = [course(image, 0, found, controls, 2, brightness, generator(number)) for number in range(images)]
    gone: dict[str, Any] = {
        name: padded([one[name] for one in made], -1) for name in ("places", "controls", "kept")
    }
    gone |= {name: padded([one[name] for one in made], 0) for name in ("log_odds", "called")}
    gone |= {"patch": np.full((images, 2), 3), "copies": np.full(images, 4), "period": np.full(images, 8.0)}
    gone |= {"followed": np.arange(images)}
    elites = {
        "images": np.repeat(image[None], images, 0),
        "classes": np.zeros(images, int),
        "log_odds": np.full(images, 4.0),
    }
    falls = np.zeros((images, 2, 8, 8), np.float32)
    falls[:, 0, 1, 1] = 1.0  # upon the copy at (2, 2)
    for after, one in zip(falls[:, 1], made, strict=True):
        after[tuple(one["places"][-1] // 2)] = 2.0  # upon the copy that is kept
    return Unit(elites, gone, {"row": np.arange(images), "falls": falls})


def test_figures_of_a_seed():
    found = effects.effects_of([unit_of(2), unit_of(3), unit_of(0)], square=2)
    assert found.images == 5
    of = found.by_measure
    assert of["loss"]["blur"] == of["difference"]["border"] == Interval(3.0, 3.0, 3.0, 2)
    assert of["loss between"]["blur"].mean == of["losing between"]["border"].mean == 0
    assert (
        of["losing"]["blur"].mean == of["losing more"]["blur"].mean == of["called with one"]["blur"].mean == 1
    )
    assert of["first"]["blur"].mean == of["further"]["blur"].mean == of["steadiness"]["border"].mean == 1
    assert of["falling"]["blur"].mean == 1  # from 0.98 to 0.73
    assert of["falling between"]["blur"].mean == 0
    assert of["one kept"]["border"].mean == pytest.approx(1 / (1 + np.exp(-1)))
    assert of["none kept"]["border"].mean == 0.5
    images, by_fill = found.by_kept[2]
    assert images == 5
    assert [each.mean for each in by_fill["blur"]] == pytest.approx([1 / (1 + np.exp(-x)) for x in (4, 2, 4)])
    assert found.by_kept[4][0] == 0
    odds = found.course_of_odds["blur"]["copies"]
    assert odds.shape == (2, len(effects.GRID))
    np.testing.assert_allclose(odds[0], 3 * effects.GRID)
    assert found.looks["area"].mean == pytest.approx(36 / 256)
    assert found.looks["copies"].mean == pytest.approx(256 / 36)
    assert found.looks["between"].mean == found.looks["emptied"].mean == 0
    assert found.looks["kept"].mean == pytest.approx(256 / 9)
    beyond = effects.tested({"one": found})
    assert len(beyond) == 4
    assert not any(beyond.values()), "two seeds that are the same say little"
    blurred = {**of, "loss": {**of["loss"], "blur": Interval(3.0, 2.999, 3.001, 2)}}
    assert effects.tested({"one": found._replace(by_measure=blurred)})["one", "loss", "blur"]


def test_what_is_occluded_is_the_image_and_what_is_left_of_it():
    unit = unit_of(2)
    setting: Any = SimpleNamespace(occluded=1, square=2, steps=8)
    looked = search.occlusion(setting, brightness, unit.elites, unit.removal)
    assert looked["row"].tolist() == [0]
    before, after = looked["falls"][0]
    assert before.sum() == pytest.approx(4)  # the squares cover every pixel once
    assert before[1, 1] == pytest.approx(4 / 9)
    assert after.sum() == pytest.approx(1)
    kept = unit.removal["places"][0, -1]
    assert after[tuple(kept // 2)] == pytest.approx(4 / 9)


def test_missing_weights_are_said_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.delenv("QDFOOL_WEIGHTS", raising=False)
    monkeypatch.setattr(search, "evolve", None)
    bench = Workbench(STUDY, tmp_path / "new", settings=Settings(), seeds=2, log=lambda text: None)
    with pytest.raises(InputError, match=r"repeats needs mobilenet_v1_0\.25_224\.safetensors"):
        STUDY.run(bench)
    assert not (tmp_path / "new").exists()


def test_losses_are_from_all_copies_to_one():
    odds = np.array([[[5.0, 4, 2, 0], [5, 4.5, 4, np.nan]], [[5, 3, 1, 0], [5, 5, 5, np.nan]]])
    one = effects.Course(np.array([3, 2, 1, 0]), odds, 1 / (1 + np.exp(-odds)), np.ones_like(odds))
    assert effects.MEASURES["loss"](one).tolist() == [3, 4]
    assert effects.MEASURES["loss between"](one).tolist() == [1, 0]
    assert effects.MEASURES["difference"](one).tolist() == [2, 4]
    assert effects.MEASURES["further"](one).tolist() == [1.5, 2]
    assert effects.MEASURES["first"](one).tolist() == [2, 1]


def stand_in(losses: tuple[float, float], differences: tuple[float, float], half: float = 0.1) -> Any:
    def by_fill(values: tuple[float, float]) -> dict[str, Interval]:
        return {fill: Interval(v, v - half, v + half, 5) for fill, v in zip(FILLS, values, strict=True)}

    return SimpleNamespace(by_measure={"loss": by_fill(losses), "difference": by_fill(differences)})


@pytest.mark.parametrize(
    ("losses", "differences", "said"),
    [
        ((2, 2), (1, 1), answer.ADDS),
        ((2, 2), (0.01, 0), answer.NOT_TOLD),
        ((2, 2), (-1, -1), answer.MORE),
        ((2, 2), (1, 0), answer.PARTLY),
        ((2, 2), (1, -1), answer.UNDECIDED),
        ((2, 0), (1, 1), answer.UNDECIDED),
        ((0, 0), (1, 1), answer.NOT_SHOWN),
        ((-2, -2), (1, 1), answer.NOT_SHOWN),
    ],
)
def test_the_verdict_follows_from_the_numbers(losses, differences, said):
    found = stand_in(losses, differences)
    assert answer.verdict("one", found, effects.tested({"one": found})) == said
    assert said in answer.MEANS


def test_the_claim_names_what_holds_on_which_images():
    assert answer.claim({"A": answer.ADDS, "B": answer.ADDS}).endswith(f"Here, on A and B {answer.ADDS}.")
    mixed = answer.claim({"A": answer.ADDS, "B": answer.NOT_SHOWN})
    assert mixed.endswith(f"Here, on A {answer.ADDS}; on B {answer.NOT_SHOWN}.")


def test_copies_are_framed_in_a_picture():
    image, found, _ = example()
    large = pictures.framed(image, found.places, found.patch)
    assert large.shape == (112, 112, 3)
    frame = (large == pictures.FRAME).all(-1)
    assert frame[14, 14]
    assert frame[34, 34]
    assert frame.sum() == 4 * (4 * 21 - 4)
    assert (image[..., 0] == 200).sum() == 36  # the image itself stays as it was


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(sure=1.0), "--sure must be below 1"),
        (Settings(sure=-0.1), "--sure must be between 0 and 1"),
        (Settings(sure=float("nan")), "--sure must be between 0 and 1"),
        (Settings(imagenet_seeds=1), "--imagenet-seeds must be between 2 and 100"),
    ],
)
def test_options_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        settings.check()


def test_nothing_has_no_copies():
    assert NOTHING.places.shape == (0, 2)
    assert schedule(0) == [0]
