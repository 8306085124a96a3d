"""What no machine can do is refused in one line, before anything is built, made or classified."""

import pytest

from qdfool.run import main


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--batch-size", "10000000"], "--batch-size must be between 0 and 1,048,576; got 10000000."),
        (["--batch-size", str(2**31)], "--batch-size must be between 0 and 1,048,576; got 2147483648."),
        (["--generations", str(2**31)], "--generations must be between 1 and 2,147,483,647; got 2147483648."),
        (["--generations", "9" * 400], "--generations must be between 1 and 2,147,483,647; got 9999"),
        (
            ["--evaluations", str(2**63)],
            "--evaluations (one generation or more) must be between 200 and 429,496,729,400",
        ),
        (["--seconds", "1e400"], "--seconds must be above 0 and at most 1,000,000,000; got inf."),
        (["--seed", str(2**63)], "--seed must be between 0 and 4,294,967,295"),
        (
            ["--selection.tournament-size", str(10**12)],
            "--selection.tournament-size must be between 1 and 65,536",
        ),
        (
            ["--image-shape", "100000", "100000", "3"],
            "--image-shape must be between 1 and 65,536; got 100000.",
        ),
        (["--image-shape", "60000", "60000", "3"], "--image-shape must have at most 16,777,216 values"),
        (["--objective", "ten-crop", "--crop-from", str(2**31)], "--crop-from must be between 1 and 65,536"),
        (["--archive", "grid", "--cells", str(2**63), "2"], "--cells must be between 1 and 16,777,216"),
        (
            ["--archive", "grid", "--cells", "9999999", "9999999"],
            "An archive of 999,999,800,000,010 cells with",
        ),
        (["--mutation.halve-every", str(2**63)], "--mutation.halve-every must be between 0 and"),
        (["--mutation.block", str(2**31)], "--mutation.block must be between 1 and 65,536"),
        (
            ["--encoding", "black_pixels", "--black-pixels.capacity", str(2**31)],
            "--black-pixels.capacity must be",
        ),
        *(
            ([option, *["uniform"] * 3000], f"{option} must name at most 32; got 3,000.")
            for option in (
                "--mutation.operators",
                "--crossover.operators",
                "--emitters.operators",
                "--cppn.activations",
            )
        ),
        (["--checkpoint-every", "inf"], "--checkpoint-every must be between 0 and 1,000,000,000; got inf."),
        (["--chunk-seconds", "inf"], "--chunk-seconds must be above 0 and at most 1,000,000,000; got inf."),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_number_too_large_is_refused_in_one_line(tmp_path, capsys, arguments, expected):
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(tmp_path / "run")])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
    assert len(line) < 500
    assert not (tmp_path / "run").exists()
