"""A user's own encoding: what it must be to be begun with, saved and read again."""

from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import own_parts
import pytest

import qdfool
from qdfool.build import build_evolution
from qdfool.engine.objectives import log_odds
from qdfool.errors import InputError
from qdfool.genomes.levels import round_to_levels


def test_the_config_that_a_run_began_with_has_the_operators_of_its_own_encoding(small, tmp_path):
    """They are no part of that config, and no module can be asked for them."""
    encoding = replace(
        own_parts.stripes(fake.SHAPE), mutations=(lambda key, genome: own_parts.jitter(key, genome),)
    )
    config = replace(small, encoding=encoding, generations=2)
    found = qdfool.evolve(config, fake.classifier, out=tmp_path)
    np.testing.assert_array_equal(qdfool.load(tmp_path, config).images(), found.images())
    assert qdfool.resume(tmp_path, fake.classifier, config=config, generations=3).generations == 3


def test_a_genome_that_no_file_holds_is_refused(small):
    encoding = own_parts.stripes(fake.SHAPE)
    half = replace(
        encoding,
        initialise=lambda key: encoding.initialise(key).astype("bfloat16"),
        decode=lambda genome: encoding.decode(genome.astype("float32")),
    )
    with pytest.raises(InputError, match=r"a genome of bfloat16\[8\], and files hold the types of NumPy"):
        qdfool.evolve(replace(small, encoding=half), fake.host_logits)


def faint(strength):
    """Stripes as strong as a variable has it by now."""
    stripes = own_parts.stripes(fake.SHAPE)
    return replace(
        stripes,
        decode=lambda genome: strength["now"] * stripes.decode(genome),
        differentiable=None,
        encode=None,
        decode_onto=None,
    )


def test_images_of_a_result_are_those_that_were_scored_whatever_the_encoding_is_by_now(small):
    strength = {"now": 1.0}
    config = replace(small, encoding=faint(strength), generations=2)
    first = qdfool.evolve(config, fake.classifier)
    strength["now"] = 0.25
    second = qdfool.evolve(config, fake.classifier)
    assert first.images().max() > 0.5
    assert second.images().max() <= 0.26
    for found in (first, second):
        scored = log_odds_of(found.images())[np.arange(len(found.cells())), found.cells()]
        np.testing.assert_allclose(scored, found.elites.fitness[found.cells()], atol=1e-4)


def log_odds_of(images):
    return np.asarray(jax.vmap(log_odds)(fake.logits(jnp.asarray(images))))


def test_an_encoding_that_draws_otherwise_is_not_gone_on_with(small, tmp_path):
    strength = {"now": 1.0}
    config = replace(small, encoding=faint(strength), generations=2)
    qdfool.evolve(config, fake.classifier, out=tmp_path)
    assert qdfool.resume(tmp_path, fake.classifier, config=config, generations=3).generations == 3
    strength["now"] = 0.25
    with pytest.raises(InputError, match=r"The encoding stripes draws other images than .* began with"):
        qdfool.resume(tmp_path, fake.classifier, config=config, generations=4)


def test_a_genome_of_nothing_is_refused(small):
    nothing = replace(
        own_parts.stripes(fake.SHAPE), initialise=lambda key: (), decode=lambda genome: jnp.zeros(fake.SHAPE)
    )
    with pytest.raises(InputError, match=r"has a genome of no arrays: \(\)\. Expected one array or more"):
        qdfool.evolve(replace(small, encoding=nothing), fake.host_logits)


@pytest.mark.parametrize("emitter", ["evolution_strategy", "gradient_ascent", "gradient_arborescence"])
def test_genomes_of_half_precision_evolve_by_every_emitter(small, emitter):
    encoding = own_parts.stripes(fake.SHAPE)
    half = replace(
        encoding,
        initialise=lambda key: (encoding.initialise(key).astype("float16"), jnp.float32(0.0)),
        decode=lambda genome: encoding.decode(genome[0].astype("float32")),
        differentiable=lambda genome: encoding.decode(genome[0].astype("float32")) + 0 * genome[1],
        mutations=(lambda key, genome: genome,),
        project=lambda genome: jax.tree.map(lambda leaf: jnp.clip(leaf, 0, 1), genome),
        encode=None,
        decode_onto=None,
    )
    config = replace(
        small,
        encoding=half,
        archive="grid",
        cells=(3, 3),
        batch_size=40,
        generations=2,
        emitters=qdfool.Emitters((emitter,)),
        gradient_ascent=qdfool.GradientAscent(steps=2),
    )
    elites = qdfool.evolve(config, fake.classifier).elites
    assert [leaf.dtype for leaf in elites.genome] == ["float16", "float32"]
    assert (elites.birth_generation > 0).any()


@pytest.mark.parametrize("name", ["", "two\nlines", 3])
def test_an_encoding_has_a_name_of_one_line(small, name):
    encoding = replace(own_parts.stripes(fake.SHAPE), name=name)
    with pytest.raises(InputError, match=r"The encoding .* name.*Expected a text of one line"):
        qdfool.evolve(replace(small, encoding=encoding), fake.host_logits)


@pytest.mark.parametrize("part", ["differentiable", "project", "encode", "decode_onto"])
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda *given: 1 / 0, "failed on float32.*ZeroDivisionError"),
        (lambda *given: None, "must make float32.*it makes nothing"),
    ],
)
def test_what_else_an_encoding_of_ones_own_does_is_looked_at_before_a_run(small, part, function, said):
    encoding = replace(own_parts.stripes(fake.SHAPE), **{part: function})
    with pytest.raises(InputError, match=f"`{part}` of the encoding stripes {said}"):
        qdfool.evolve(replace(small, encoding=encoding), fake.host_logits)


def test_what_is_drawn_over_an_image_is_rounded_too(small):
    encoding = own_parts.stripes(fake.SHAPE)
    encoding = replace(encoding, decode_onto=lambda genome, image: encoding.decode(genome))
    evolution = build_evolution(replace(small, encoding=encoding), fake.classifier)
    assert evolution.decode_onto is not None
    genome = jax.jit(evolution.initialise)(jax.random.key(0))
    drawn = jax.jit(evolution.decode_onto)(genome, jnp.ones(fake.SHAPE))
    np.testing.assert_array_equal(drawn, jax.jit(evolution.decode)(genome))
    np.testing.assert_array_equal(drawn, round_to_levels(drawn))


@pytest.mark.parametrize(
    "over", [lambda image, drawn: 0.5 * image + 0.5 * drawn, lambda image, drawn: image / 2]
)
def test_what_is_drawn_over_an_image_is_what_is_shown(small, over):
    encoding = own_parts.stripes(fake.SHAPE)
    other = replace(encoding, decode_onto=lambda genome, drawn: over(encoding.decode(genome), drawn))
    with pytest.raises(InputError, match="`decode_onto` of the encoding stripes must draw the same image"):
        build_evolution(replace(small, encoding=other), fake.classifier)
