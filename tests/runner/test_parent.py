"""A stage ends with its parent, however it was started; the processes are really killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's own")
# a stage that says when it has asked to end with its parent
STAGE = "import time; from pipeline.runner.parent import die_with_parent as ask; ask(); print('asked', flush=True); "
STAY = STAGE + "time.sleep(60)"
# starts a command as DVC does, by a shell in its own process group, and repeats what it says first
FAKE_DVC = """
import os, subprocess, sys
os.environ["DVC_STAGE"] = "tune@cells"
child = subprocess.Popen(["sh", "-c", sys.argv[1]], stdout=subprocess.PIPE)
print(child.stdout.readline().decode().strip(), flush=True)
child.wait()
"""
# takes care of orphans, as the first process of a machine does; its stage asks only when its DVC has been killed
ADOPTER = """
import ctypes, os, signal, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
late = "import os, sys, time\\nparent = os.getppid()\\nprint(os.getpid(), flush=True)\\n"
late += "while os.getppid() == parent: time.sleep(0.01)\\n" + sys.argv[1]
dvc = "import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); input()"
os.environ["DVC_STAGE"], pipes = "tune@cells", {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
dvc = subprocess.Popen([sys.executable, "-c", dvc, late], process_group=0, **pipes)
stage = int(dvc.stdout.readline())
dvc.kill()
dvc.wait()
print(os.waitstatus_to_exitcode(os.waitpid(stage, 0)[1]))
"""


@pytest.fixture
def started(repository):
    processes = []

    def start(code, *arguments, before=()):
        environment = os.environ | {"PYTHONPATH": str(repository)}
        command = [*before, sys.executable, "-c", code, *arguments]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def ends(pid):
    """Whether a process ends soon; one that has ended and waits to be collected does not run. It is ended if not."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return False


@pytest.mark.parametrize("line", ["exec {}", "{}", "{}; true"], ids=["replaces", "as it likes", "stays"])
def test_a_stage_ends_when_dvc_is_killed_whether_its_shell_stays_or_not(started, line):
    code = STAGE.replace("'asked'", "__import__('os').getpid()") + "time.sleep(60)"
    dvc = started(FAKE_DVC, line.format(f'{sys.executable} -c "{code}"'))
    stage = int(dvc.stdout.readline())
    assert Path(f"/proc/{stage}").exists()
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    assert ends(stage)


def test_a_stage_ends_with_who_started_it_without_dvc(started):
    start = f"c = subprocess.Popen([sys.executable, '-c', {STAY!r}])"
    parent = started(f"import subprocess, sys; {start}; print(c.pid, flush=True); c.wait()")
    lines = [parent.stdout.readline().strip() for _ in range(2)]
    stage = int(next(line for line in lines if line != "asked"))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert ends(stage)


def test_a_stage_whose_dvc_was_killed_before_it_could_ask_ends_at_once(started):
    assert int(started(ADOPTER, STAY).stdout.read()) == -signal.SIGTERM


@pytest.mark.parametrize("dvc", [True, False])
def test_a_stage_of_the_first_process_of_a_container_runs(started, dvc):
    namespace = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("no container may be made here")
    environment = {"DVC_STAGE": "tune@cells"} if dvc else {}
    first = "import os, subprocess, sys; assert os.getpid() == 1; "
    first += f"sys.exit(subprocess.run([sys.executable, '-c', {STAGE!r}], env=os.environ | {environment}).returncode)"
    process = started(first, before=namespace)
    assert process.stdout.read() == "asked\n"
    assert process.wait() == 0
