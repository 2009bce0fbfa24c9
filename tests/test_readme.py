from documented import README, blocks

_WORDS = 800  # what a screen or two hold; the rest is for docs/


def test_it_opens_with_one_line_for_each_job():
    main, tests = blocks(README, "bash")
    for line in (main, tests):
        assert line.count("\n") == 1
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert "uhseg-segment" in main
    assert "pytest" in tests


def test_it_is_short():
    assert len(README.read_text().split()) < _WORDS
