"""Runs in their folders from Python: the same as the command line leaves, stopped, failed and gone on with."""

import errno
import hashlib
import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import fake
import jax
import numpy as np
import own_parts
import pytest
from flax import nnx
from jax.core import Tracer

import qdfool
from qdfool.build import with_classifier
from qdfool.config import Mutation
from qdfool.errors import InputError
from qdfool.results import run
from qdfool.results.checkpoint import Checkpoints
from qdfool.results.opening import resume, start
from qdfool.run import main


def settings(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())["settings"]


def classifier_of(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())["classifier"]


def elites(folder: Path) -> bytes:
    return (folder / "elites.npz").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Ten generations that were never stopped, by the command line."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    arguments = ["--classifier", "fake:host_logits", "--batch-size", "12", "--generations", "10"]
    arguments += ["--chunk-seconds", "0.05", "--checkpoint-every", "0"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--quiet", "--out", str(folder)])
    assert ended.value.code == 0
    return folder


def test_evolve_leaves_the_folder_that_the_command_line_leaves(small, whole, tmp_path):
    saved_on_the_way = []

    def look(result: qdfool.Result) -> None:
        """From the second chunk on there is a checkpoint of those before, as soon as its thread has written it."""
        until = time.monotonic() + 60
        while result.generations > 1 and not saved_on_the_way and time.monotonic() < until:
            saved_on_the_way.extend((tmp_path / "run" / "checkpoints").glob("[0-9]*"))

    result = qdfool.evolve(small, fake.host_logits, out=tmp_path / "run", on_chunk=look)
    assert result.config.classifier == "fake:host_logits"
    names = [sorted(path.name for path in folder.iterdir()) for folder in (tmp_path / "run", whole)]
    assert names[0] == names[1]
    assert "gallery.png" in names[0]
    assert elites(tmp_path / "run") == elites(whole)
    configs = [json.loads((folder / "config.json").read_text()) for folder in (tmp_path / "run", whole)]
    assert configs[0] == configs[1]
    assert (tmp_path / "run" / "checkpoints" / "10").is_dir()
    assert saved_on_the_way, "no checkpoint before the end"
    with pytest.raises(InputError, match="has a run in it"):
        qdfool.evolve(small, fake.host_logits, out=tmp_path / "run")
    qdfool.evolve(replace(small, seed=1), fake.host_logits, out=tmp_path / "run", overwrite=True)
    assert elites(tmp_path / "run") != elites(whole)


@pytest.fixture
def no_pictures(monkeypatch):
    """Takes the pictures away, which one test looks for, and which take most of the time of the others."""
    monkeypatch.setattr(qdfool.Result, "draw", lambda self, directory, classifier=None: None)


@pytest.mark.usefixtures("no_pictures")
def test_resume_ends_as_a_run_that_never_stopped(small, whole, tmp_path):
    qdfool.evolve(replace(small, generations=4), fake.host_logits, out=tmp_path)
    result = qdfool.resume(tmp_path, evaluations=10 * small.batch_size)
    assert result.generations == 10
    assert elites(tmp_path) == elites(whole)
    # A budget that is given takes the place of the one that was there.
    assert [settings(tmp_path)[name] for name in ("generations", "evaluations", "seconds")] == [
        None,
        120,
        None,
    ]
    assert qdfool.resume(tmp_path).generations == 10
    before = settings(tmp_path)
    with pytest.raises(InputError, match="has 10 generations already, and the budget allows 9"):
        qdfool.resume(tmp_path, evaluations=10 * small.batch_size - 1)
    with pytest.raises(InputError, match=r"has evolved for \S* seconds already, and the budget allows 1e-05"):
        qdfool.resume(tmp_path, seconds=1e-5)
    assert settings(tmp_path) == before


@pytest.mark.usefixtures("no_pictures")
def test_what_goes_on_has_no_archive_before_its_own(small, whole, tmp_path, monkeypatch):
    """It may be the most of what the memory holds, and a config from anywhere may state any."""
    shutil.copytree(whole, tmp_path / "run")
    init, made = run.jitted_init, []

    def noted(evolution):
        return lambda key: made.append(not isinstance(key, Tracer)) or init(evolution)(key)

    monkeypatch.setattr(run, "jitted_init", noted)
    saved = resume(replace(qdfool.load(whole).config, generations=12), tmp_path / "run")
    assert saved.run.generations == 10
    assert not any(made)


def test_a_folder_goes_on_with_its_own_settings_alone(small, tmp_path):
    qdfool.evolve(replace(small, generations=1), fake.host_logits, out=tmp_path)
    config, before = qdfool.load(tmp_path).config, (tmp_path / "config.json").read_bytes()
    with pytest.raises(InputError, match="is a run of another config: seed: 0 -> 3"):
        resume(replace(config, seed=3, generations=2), tmp_path)
    assert (tmp_path / "config.json").read_bytes() == before
    assert resume(replace(config, generations=2, checkpoint_every=7), tmp_path).config.generations == 2


@pytest.mark.usefixtures("no_pictures")
def test_a_classifier_may_change_the_working_directory(small, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)

    @fake.sized
    def moving(images):
        os.chdir(tmp_path / "other")
        return fake.host_logits(images)

    for begin in (
        lambda: qdfool.evolve(replace(small, generations=2), moving, out="run"),
        lambda: qdfool.resume("run", moving, generations=4),
        lambda: qdfool.evolve(replace(small, generations=2), moving, out="seeds", seeds=[0, 1]),
        lambda: qdfool.resume_seeds("seeds", moving, generations=4),
    ):
        os.chdir(tmp_path)
        begin()
    assert [qdfool.load(tmp_path / name).generations for name in ("run", "seeds/seed0", "seeds/seed1")] == [
        4,
        4,
        4,
    ]
    assert list((tmp_path / "other").iterdir()) == []
    assert not list(tmp_path.rglob(".lock"))


@pytest.mark.parametrize("name", ["caf\udce9", "caf\udce9/run"])
def test_a_folder_that_orbax_cannot_write_to_is_refused_at_the_start(small, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"cannot be written to .*caf\\udce9") as refused:
        qdfool.evolve(small, fake.host_logits, out=name)
    assert str(refused.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_saves_and_says_so(small, whole, tmp_path):
    def interrupt(result: qdfool.Result) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="Everything until generation") as interrupted:
        qdfool.evolve(small, fake.host_logits, out=tmp_path, on_chunk=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert str(interrupted.value).endswith(
        f"Everything until generation 1 is saved; go on with: qdfool.resume({str(tmp_path)!r})"
    )
    assert (tmp_path / "checkpoints" / "1").is_dir()
    assert (tmp_path / "gallery.png").exists()
    qdfool.resume(tmp_path)
    assert elites(tmp_path) == elites(whole)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()])
def test_what_on_chunk_raises_gets_a_note_and_nothing_is_lost(small, whole, tmp_path, error):
    def fail(result: qdfool.Result) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        qdfool.evolve(replace(small, checkpoint_every=100), fake.host_logits, out=tmp_path, on_chunk=fail)
    assert raised.value.__notes__[0].startswith(
        "Everything until generation 1 is saved; go on with: qdfool.resume("
    )
    qdfool.resume(tmp_path)
    assert elites(tmp_path) == elites(whole)


@pytest.mark.usefixtures("no_pictures")
def test_an_interrupt_within_a_chunk_leaves_the_last_checkpoint(small, whole, tmp_path, monkeypatch):
    """Where it comes while the device computes it takes the state with it, in a host program with its own handler."""
    calls = 0

    def interrupted(record):
        nonlocal calls
        calls += 1
        if calls == 7:
            raise KeyboardInterrupt
        return jax.tree.map(np.asarray, record)

    monkeypatch.setattr("jax.device_get", interrupted)
    with pytest.raises(KeyboardInterrupt) as raised:
        qdfool.evolve(small, fake.host_logits, out=tmp_path)
    (note,) = raised.value.__notes__
    assert note.startswith("Everything until generation")
    qdfool.resume(tmp_path)
    assert elites(tmp_path) == elites(whole)


@pytest.mark.usefixtures("no_pictures")
def test_a_classifier_that_fails_loses_nothing(small, tmp_path, monkeypatch):
    monkeypatch.setattr("fake.calls", 0)
    with pytest.raises(InputError) as raised:
        qdfool.evolve(small, fake.fails_later, out=tmp_path)
    assert "fake:fails_later failed on images [12, 8, 8, 1]: ConnectionError" in str(raised.value)
    assert str(raised.value).endswith(
        f"Everything until generation 4 is saved; go on with: qdfool.resume({str(tmp_path)!r})"
    )
    assert (tmp_path / "checkpoints" / "4").is_dir()
    assert qdfool.load(tmp_path).generations == 4


@pytest.mark.usefixtures("no_pictures")
def test_what_was_audited_is_recorded(small, tmp_path):
    def local(images):
        return fake.host_logits(images)

    def lenet(images):
        return fake.host_logits(images)

    short = replace(small, generations=1, image_shape=fake.SHAPE)
    file_hash = hashlib.sha256(Path(fake.__file__).read_bytes()).hexdigest()
    for found, name, reference, hashed in (
        (fake.host_logits, "fake:host_logits", "fake:host_logits", file_hash),
        (local, "local", "", ""),
        (lenet, "lenet (own)", "", ""),
    ):
        folder = tmp_path / name
        assert qdfool.evolve(short, found, out=folder).config.classifier == name
        assert settings(folder)["classifier"] == name
        assert [classifier_of(folder)[key] for key in ("reference", "file_hash")] == [reference, hashed]
    with pytest.raises(InputError, match=r"a run on 'lenet \(own\)', which no module.*classifier="):
        qdfool.resume(tmp_path / "lenet (own)")
    assert qdfool.resume(tmp_path / "lenet (own)", lenet, generations=2).generations == 2


@pytest.mark.usefixtures("no_pictures")
def test_a_service_is_asked_for_the_check_and_then_for_each_batch(small, tmp_path):
    asked = []

    def service(images):
        answer = fake.host_logits(images)  # not of JAX's tracers
        asked.append(len(images))
        return answer

    qdfool.evolve(replace(small, generations=3, image_shape=fake.SHAPE), service, out=tmp_path)
    assert asked == [8] + 3 * [12]
    qdfool.resume(tmp_path, service, generations=5)
    assert asked == [8] + 3 * [12] + [8] + 2 * [12]


@pytest.mark.usefixtures("no_pictures")
def test_a_run_with_objects_that_no_module_has_is_gone_on_with_and_read(small, whole, tmp_path):
    def local(key, genome):
        return own_parts.jitter(key, genome)

    config = replace(small, mutation=Mutation(operators=(local,)))
    uninterrupted = qdfool.evolve(config, fake.host_logits, out=tmp_path / "whole")
    saved = start(replace(config, generations=4), tmp_path / "run", fake.host_logits)
    saved.evolve()
    assert saved.what_is_saved().endswith(f"qdfool.resume({str(tmp_path / 'run')!r}, config=...)")
    for read in (qdfool.load, qdfool.resume):
        with pytest.raises(InputError, match=r"the object 'local'.*config=\.\.\."):
            read(tmp_path / "run")
    assert qdfool.resume(tmp_path / "run", generations=10, config=config).generations == 10
    assert elites(tmp_path / "run") == elites(tmp_path / "whole")
    loaded = qdfool.load(tmp_path / "run", config=config)
    np.testing.assert_array_equal(loaded.images(), uninterrupted.images())


def test_messages_to_python_are_in_the_words_of_python(small, whole, tmp_path):
    for call in (
        lambda: qdfool.evolve(small, fake.host_logits, out=whole),
        lambda: qdfool.load(tmp_path / "nothing"),
        lambda: qdfool.resume(tmp_path),
    ):
        with pytest.raises(InputError) as refused:
            call()
        assert "--" not in str(refused.value)


@pytest.mark.usefixtures("no_pictures")
def test_a_flax_module_is_known_by_its_parameters(small, tmp_path):
    class Linear(nnx.Module):
        def __init__(self, seed):
            self.layer = nnx.Linear(64, 4, rngs=nnx.Rngs(seed))
            self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(seed))

        def __call__(self, images):
            return self.dropout(self.layer(images.reshape(images.shape[0], -1)))

    config = replace(small, generations=1, image_shape=fake.SHAPE)
    qdfool.evolve(config, Linear(0), out=tmp_path)
    assert qdfool.resume(tmp_path, Linear(0), generations=2).generations == 2
    with pytest.raises(InputError, match="was run with other weights"):
        qdfool.resume(tmp_path, Linear(1), generations=3)


@pytest.mark.usefixtures("no_pictures")
def test_code_that_changed_is_warned_of_and_other_weights_are_refused(small, tmp_path, caplog):
    own = replace(fake.classifier, traceable=False, fingerprint="1" * 64)
    qdfool.evolve(replace(small, generations=1), own, out=tmp_path / "weights")
    assert qdfool.resume(tmp_path / "weights", own).generations == 1
    with pytest.raises(InputError, match="was run with other weights: SHA-256 1111"):
        qdfool.resume(tmp_path / "weights", replace(own, fingerprint="2" * 64))
    with pytest.raises(InputError, match="other classes"):
        qdfool.resume(tmp_path / "weights", replace(own, class_names=("a", "b", "c", "z")))
    assert not caplog.messages

    qdfool.evolve(replace(small, generations=1), fake.host_logits, out=tmp_path / "code")
    qdfool.resume(tmp_path / "code")
    assert not caplog.messages
    values = json.loads((tmp_path / "code" / "config.json").read_text())
    values["classifier"]["file_hash"] = "0" * 64
    (tmp_path / "code" / "config.json").write_text(json.dumps(values))
    assert qdfool.resume(tmp_path / "code", generations=2).generations == 2
    (message,) = caplog.messages
    assert message.startswith("The file of fake:host_logits has changed since")
    assert "0" * 64 in message


def test_groups_and_crops_apply_to_a_classifier_of_ones_own_and_weights_do_not(small):
    config, even = with_classifier(replace(small, group=("even=0,2",)), fake.host_logits)
    assert even.class_names == ("even", "rest")
    assert config.classifier == "fake:host_logits"
    images = np.random.default_rng(0).random((3, 10, 10, 1), np.float32)
    logits = fake.host_logits(images[:, :8, :8])
    expected = np.logaddexp(logits[:, 0::2][:, 0], logits[:, 0::2][:, 1])
    np.testing.assert_allclose(even.logits({}, images[:, :8, :8])[:, 0], expected, rtol=1e-5)
    _, crops = with_classifier(replace(small, objective="ten-crop", crop_from=10), fake.host_logits)
    assert crops.image_shape == (10, 10, 1)
    for setting, message in (
        ({"weights": "hub"}, "`weights` goes with one of qdfool's own"),
        ({"precision": "bfloat16"}, "`precision` goes with one of qdfool's own"),
        ({"image_shape": (28, 28, 1)}, "`image_shape` 28 x 28 x 1"),
        ({"group": ("one=0,11",)}, "between 0 and 3; got 11"),
        ({"objective": "ten-crop", "crop_from": 4}, r"got a side of 4 \(the setting `crop_from`\)"),
    ):
        with pytest.raises(InputError, match=message):
            qdfool.evolve(replace(small, **setting), fake.host_logits)


def test_a_full_disk_says_that_there_is_no_checkpoint_rather_than_which_file_it_met(
    small, tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(qdfool.Result, "write", full)
    monkeypatch.setattr(Checkpoints, "_save", full)
    with pytest.raises(OSError, match=r"Could not write a checkpoint .* There is none before it"):
        qdfool.evolve(
            replace(small, generations=2, checkpoint_every=100), fake.classifier, out=tmp_path / "run"
        )


def test_a_folder_in_which_nothing_was_saved_says_how_to_begin_anew(small, tmp_path):
    """As of a run that was interrupted amid its first generation."""
    out = tmp_path / "begun"
    lock = start(small, out, fake.host_logits).lock
    assert lock is not None
    lock.release()
    (out / "checkpoints").mkdir(exist_ok=True)
    with pytest.raises(InputError, match="No checkpoint in"):
        qdfool.resume(out, fake.host_logits)
    with pytest.raises(InputError, match=r"has a run in it .* one that ended before it saved anything"):
        qdfool.evolve(small, fake.host_logits, out=out)
    found = qdfool.evolve(replace(small, generations=2), fake.host_logits, out=out, overwrite=True)
    assert found.generations == 2


def test_metrics_that_cannot_be_written_cost_no_checkpoint(small, tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied", "metrics.csv")

    monkeypatch.setattr("qdfool.results.run_folder.write_metrics", refused)
    with pytest.raises(OSError, match="Permission denied"):
        qdfool.evolve(replace(small, generations=3), fake.classifier, out=tmp_path)
    monkeypatch.undo()
    assert qdfool.resume(tmp_path, fake.classifier, generations=4).generations == 4
