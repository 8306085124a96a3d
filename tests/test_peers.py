"""The clock, the rounds and the table of benchmarks/peers, with searches that only pretend."""

import io
import json
import sys

import numpy as np
import pytest

from benchmarks.peers import __main__ as peers
from benchmarks.peers import process
from benchmarks.peers.clock import Budget, Row, compile_seconds, measure
from benchmarks.peers.process import Ended, serve
from benchmarks.peers.search import Peer, found
from benchmarks.peers.table import COLUMNS, markdown, picture

SHAPE = (1, 1, 1)


class Time:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Pretends:
    """A search whose images are as sure as the share of rounds that it is through; ten evaluations a round."""

    def __init__(self, time, rounds=100, pace=0.01, first=0.0, classes=3):
        self.time, self.rounds, self.pace, self.classes = time, rounds, pace, classes
        self.time.now += first
        self.done = 0
        self.stretches = []

    def advance(self, rounds):
        self.time.now += rounds * self.pace
        self.done += rounds
        self.stretches.append(rounds)
        return 10 * rounds

    def images(self):
        self.time.now += 1000.0  # The clock does not run meanwhile.
        return np.full((self.classes, *SHAPE), self.done / self.rounds)


def judge(images):
    return images[:, 0, 0, 0]


def row_of(search, time, seconds=60.0, interval=0.05, least=0.0):
    return measure("one", 10, lambda seed: search, 0, 2.0, Budget(seconds, interval, least), judge, time)


def test_a_search_ends_when_all_classes_are_sure_and_looking_is_not_on_the_clock():
    time = Time()
    search = Pretends(time)
    row = row_of(search, time)
    # One round to learn the pace, then stretches of five.
    assert search.stretches[:3] == [1, 5, 5]
    assert (row.evaluations_to_all_9999, row.seconds_to_all_9999) == (1010, pytest.approx(1.01))
    assert row.evaluations_to_all_99 == 1010
    assert row.never == []
    assert row.evaluations_per_second == pytest.approx(1000)
    assert row.compile_seconds == 2.0


def test_the_median_may_be_there_before_the_last():
    time = Time()
    search = Pretends(time, rounds=10)
    row = measure(
        "one",
        10,
        lambda seed: search,
        0,
        0.0,
        Budget(1.0, 0.01, 0.0),
        lambda images: np.array([1.0, 1.0, 0.0]) * (search.done >= 7),
        time,
    )
    assert (row.evaluations_to_median_99, row.evaluations_to_median_9999) == (70, 70)
    assert row.evaluations_to_all_99 is None
    assert row.seconds_to_all_9999 is None
    assert row.never == [2]


def test_what_a_search_begins_with_is_on_the_clock():
    time = Time()
    row = measure(
        "one",
        10,
        lambda seed: Pretends(time, rounds=1, first=3.0),
        0,
        0.0,
        Budget(60.0, 0.05, 0.0),
        judge,
        time,
    )
    assert row.seconds_to_all_9999 == pytest.approx(3.01)


def test_a_search_ends_with_its_budget_and_goes_on_for_the_least():
    time = Time()
    row = row_of(Pretends(time, rounds=10**6), time, seconds=0.2)
    assert row.seconds == pytest.approx(0.21)
    assert row.never == [0, 1, 2]
    time = Time()
    row = row_of(Pretends(time, rounds=1), time, least=0.5)
    assert (row.seconds_to_all_9999, row.seconds) == (pytest.approx(0.01), pytest.approx(0.51))


def test_compilation_is_what_the_first_search_takes_longer():
    time = Time()
    firsts = iter([5.0, 0.0])
    assert compile_seconds(lambda seed: Pretends(time, first=next(firsts)), time) == pytest.approx(5.0)


def test_images_that_are_not_there_are_not_numbers():
    images = found(3, [(1, np.ones(4))], (2, 2, 1))
    assert np.isnan(images).all(axis=(1, 2, 3)).tolist() == [True, False, True]


def test_a_process_answers_each_seed_with_a_row():
    out = io.StringIO()
    begun = []

    def begin(seed):
        begun.append(seed)
        return Pretends(Time(), rounds=1)

    peer = Peer("pretends", 7, ("numpy",), lambda: begin)
    serve("one", peer, Budget(0.001, 0.001, 0.0), judge, ["4\n", "5\n"], out)
    rows = [Row(**json.loads(line)) for line in out.getvalue().splitlines()]
    assert [(row.peer, row.seed, row.batch_size) for row in rows] == [("one", 4, 7), ("one", 5, 7)]
    assert rows[0].versions == f"numpy {np.__version__}"
    assert begun == [0, 1, 0, 4, 5]


def rows_of(name, *seconds):
    return [
        Row(name, seed, 10, 1000.0, 100, 1.0, 2.0, 60.0, seconds_to_all_9999=one, never=[] if one else [8])
        for seed, one in enumerate(seconds)
    ]


ANSWERS = {"qdfool": [1.0, 2.0, 3.0], "torch-loop": [None, None, 5.0], "deap": [4.0]}
BEGUN, ENDED = [], []


class Answers:
    """In the place of a process."""

    def __init__(self, name, budget):
        self.name = name
        BEGUN.append(name)

    def row(self, seed):
        answers = ANSWERS[self.name]
        if seed >= len(answers):
            raise Ended(f"{self.name}: its process ended with 1.")
        return rows_of(self.name, *answers)[seed]

    def end(self):
        ENDED.append(self.name)


@pytest.mark.slow
def test_seeds_go_round_and_who_never_gets_there_or_ends_has_no_more(tmp_path, capsys):
    BEGUN.clear()
    ENDED.clear()
    file = tmp_path / "rows.json"
    options = peers.Options(seeds=3, give_up=2, json=file)
    rows = peers.measure_all(["qdfool", "torch-loop", "deap"], options, Answers)  # type: ignore[arg-type]
    assert [(row.peer, row.seed) for row in rows] == [
        ("qdfool", 0),
        ("torch-loop", 0),
        ("deap", 0),
        ("qdfool", 1),
        ("torch-loop", 1),
        ("qdfool", 2),
    ]
    written = json.loads(file.read_text())
    assert [row["seconds_to_all_9999"] for row in written["rows"]] == [1.0, None, 4.0, 2.0, None, 3.0]
    assert "none of its first 2 seeds" in written["header"]["left"]["torch-loop"]
    assert "deap: its process ended with 1." in capsys.readouterr().err
    assert sorted(ENDED) == sorted(BEGUN) == ["deap", "qdfool", "torch-loop"]


def test_an_interrupt_leaves_the_rows_until_then(tmp_path):
    class Interrupted(Answers):
        def row(self, seed):
            if self.name == "deap":
                raise KeyboardInterrupt
            return super().row(seed)

    file = tmp_path / "rows.json"
    rows = peers.measure_all(["qdfool", "deap"], peers.Options(json=file), Interrupted)  # type: ignore[arg-type]
    assert [row.peer for row in rows] == ["qdfool"]
    assert len(json.loads(file.read_text())["rows"]) == 1


def test_a_process_that_fails_says_so(monkeypatch):
    monkeypatch.setattr(process.sys, "executable", "/bin/false")
    failing = process.Process("qdfool", Budget(1.0, 1.0, 0.0))
    with pytest.raises(Ended, match="qdfool: its process ended with 1"):
        failing.row(0)
    failing.end()


def test_the_table_says_what_was_never_reached_and_counts_it_with_the_budget():
    lines = markdown([*rows_of("a", 1.0, 2.0, None), *rows_of("b", None, None)]).splitlines()
    cells = [dict(zip(COLUMNS, line.strip("| ").split(" | "), strict=False)) for line in lines[2:]]
    assert cells[0]["all ten at 99.99 %"] == "2.00 (1.50 to 31.00)"
    assert cells[0]["compilation included"] == "4.00 (3.50 to 33.00)"
    assert cells[0]["seeds"] == "2 of 3"
    assert cells[0]["never at 99.99 %"].strip(" |") == "8 (1)"
    assert cells[1]["all ten at 99.99 %"] == "never in 60"


def test_the_picture_is_drawn(tmp_path):
    picture(tmp_path / "peers.png", [*rows_of("qdfool", 1.0, 2.0), *rows_of("art", None)], ["art"])
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["peers", *arguments])
    peers.main()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--peers", "qdxa-line"), "Did you mean 'qdax-line'?"),
        (("--seeds", "0"), "--seeds must be at least 1"),
        (("--seconds", "nan"), "--seconds must be at least"),
    ],
)
def test_bad_options_end_in_a_line(monkeypatch, capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        command(monkeypatch, *arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_said_and_left_out(monkeypatch, capsys):
    absent = Peer("absent", 1, ("no-such-package-of-ours",), lambda: pytest.fail("not prepared"))
    monkeypatch.setitem(peers.PEERS, "absent", absent)
    command(monkeypatch, "--peers", "qdfool", "absent", "--list")
    out, err = capsys.readouterr()
    assert "absent is left out: pip install no-such-package-of-ours" in err
    assert out.startswith("qdfool ")
    assert "absent" not in out
