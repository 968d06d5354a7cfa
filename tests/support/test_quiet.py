"""What is kept from the terminal for a while comes back, whatever threads do at the same time."""

import os
import tempfile
import threading
import warnings

import pytest

from edgeq.support.quiet import redirected, without_warnings


def test_blocks_of_threads_that_overlap_put_back_what_was_there(tmp_path):
    """The second to begin saved the first one's sink, and put it back when both were over."""
    path = tmp_path / "terminal"
    with path.open("wb") as terminal:
        first_in, second_in, first_out = (threading.Event() for _ in range(3))

        def first():
            with tempfile.TemporaryFile() as sink, redirected(fd, sink.fileno()):
                first_in.set()
                assert second_in.wait(10)
            first_out.set()

        fd = os.dup(terminal.fileno())
        thread = threading.Thread(target=first)
        thread.start()
        assert first_in.wait(10)
        with tempfile.TemporaryFile() as sink, redirected(fd, sink.fileno()):
            second_in.set()
            assert first_out.wait(10)
            os.write(fd, b"of a library\n")
        thread.join()
        os.write(fd, b"of edgeq\n")
        os.close(fd)
    assert path.read_bytes() == b"of edgeq\n"


def test_warnings_are_shown_again_behind_the_last_block():
    inside, outside = threading.Event(), threading.Event()

    def other():
        with without_warnings():
            inside.set()
            assert outside.wait(10)

    thread = threading.Thread(target=other)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with without_warnings():
            thread.start()
            assert inside.wait(10)
        warnings.warn("kept", stacklevel=1)
        outside.set()
        thread.join()
        warnings.warn("shown", stacklevel=1)
    assert [str(each.message) for each in shown] == ["shown"]


def test_what_fails_puts_back_as_well(tmp_path):
    with (tmp_path / "terminal").open("wb") as terminal:
        with (
            pytest.raises(KeyError),
            tempfile.TemporaryFile() as sink,
            redirected(terminal.fileno(), sink.fileno()),
        ):
            raise KeyError
        os.write(terminal.fileno(), b"back")
    assert (tmp_path / "terminal").read_bytes() == b"back"
