"""A child of the heavy pool that ends is replaced at once, also where its files close before it can be waited for."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from celery import concurrency
from celery.concurrency.asynpool import AsynPool

from workers.app import make_app
from workers.heavy_pool import Pool, TaskPool, wait_for_exit

ENDING = "import os, time; os.close(1); time.sleep(0.3); os._exit(7)"


@pytest.fixture
def ending_child() -> Iterator[subprocess.Popen[bytes]]:
    """A child that has closed its end of a pipe and ends a moment later."""
    with subprocess.Popen([sys.executable, "-c", ENDING], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.read() == b"", "its files are closed, which is what Celery sees"
        yield child


def has_ended(child: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def test_a_child_whose_files_are_closed_is_waited_for_until_it_has_ended(ending_child: subprocess.Popen[bytes]) -> None:
    assert not has_ended(ending_child), "where Celery finds it alive and stops watching it"
    assert wait_for_exit(ending_child.pid, within_s=30)
    assert has_ended(ending_child)
    assert ending_child.wait() == 7, "its exit code was left for Celery"


def test_who_was_waited_for_already_has_ended(ending_child: subprocess.Popen[bytes]) -> None:
    ending_child.wait()
    assert wait_for_exit(ending_child.pid, within_s=30)


def test_a_child_that_does_not_end_is_not_waited_for_for_long(ending_child: subprocess.Popen[bytes]) -> None:
    assert not wait_for_exit(ending_child.pid, within_s=0)


@pytest.mark.usefixtures("configured")
def test_the_heavy_worker_takes_this_pool_and_celery_asks_it() -> None:
    assert concurrency.get_implementation(make_app().conf.worker_pool) is TaskPool
    assert TaskPool.Pool is Pool
    own, celerys = Pool._event_process_exit, AsynPool._event_process_exit
    assert inspect.signature(own).parameters.keys() == inspect.signature(celerys).parameters.keys()
    assert "_event_process_exit" in inspect.getsource(AsynPool._track_child_process)
