"""What a command that refuses has to leave behind: its words, and nothing else."""


def refused(ran, code, *words):
    """The exit code, every word on stderr, nothing on stdout, and never a stack trace."""
    assert ran.code == code, ran.err
    for word in words:
        assert word in ran.err, ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    return ran


def untouched(aios):
    """Nothing was applied, and no process came of it."""
    assert not (aios.place / ".aios" / "state.json").exists()
    assert aios.wait_until_alone() == []
