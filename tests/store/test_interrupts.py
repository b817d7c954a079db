"""Ctrl-C inside a block that ignores it does nothing, there and in a process that was started there."""

import os
import signal
import subprocess
import sys

from pipeline.store.interrupts import no_interrupts


def test_ctrl_c_is_ignored_inside_and_in_what_was_started_inside():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('goes on')"
    before = signal.getsignal(signal.SIGINT)
    with no_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("goes on\n", "")
    assert signal.getsignal(signal.SIGINT) is before
