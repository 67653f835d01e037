"""The corpus itself: a file says again what was saved, and what fails is saved at its smallest."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from tests.fuzz.asked import CORPUS, Asked, corpus, read_asked
from tests.fuzz.exploring import explore


@pytest.mark.parametrize("folder", ["push", "apply"])
def test_every_file_says_again_what_it_holds(folder):
    assert len(corpus(folder)) >= 20
    for name, asked in corpus(folder).items():
        assert (CORPUS / folder / name).read_bytes() == asked.written(), name


def test_any_bytes_survive_being_saved(tmp_path):
    headers = ((b"content-type", b"a/b; c=\xff"), (b"x", b""))
    asked = Asked("POST", "/api/push/{slug}/results", headers, b"\x00\n\n\r\n\xff", 3, b"a=?&\xff")
    assert read_asked(asked.save(tmp_path).read_bytes()) == asked


def test_what_fails_is_saved_at_its_smallest(tmp_path):
    def check(asked: Asked) -> None:
        assert b"7" not in asked.body

    strategy = st.text("0123456789").map(lambda text: Asked("POST", "/x", (), text.encode()))
    with pytest.raises(AssertionError) as caught:
        explore(strategy, check, examples=1, folder=tmp_path, seconds=0.1)
    [saved] = tmp_path.iterdir()
    assert read_asked(saved.read_bytes()).body == b"7"
    assert saved.name in caught.value.__notes__[-1]


def test_the_suite_tries_the_same_twice_and_saves_nothing(tmp_path):
    tried: list[list[Asked]] = []
    for _ in range(2):
        tried.append([])
        strategy = st.binary().map(lambda body: Asked("POST", "/x", (), body))
        explore(strategy, tried[-1].append, examples=20, folder=tmp_path, seconds=0)
    assert tried[0] == tried[1] != []
    assert list(tmp_path.iterdir()) == []
