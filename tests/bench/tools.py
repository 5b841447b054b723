"""What the comparisons with PyTorch share: processes on chosen cores, the machine's name, tables."""
import datetime
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Failure(Exception):
    pass


def note(text):
    print(text, file=sys.stderr, flush=True)


def cores():
    return sorted(os.sched_getaffinity(0))


def run(threads, *command):
    """A fresh process on the first `threads` cores; its stdout."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment,
                          preexec_fn=lambda: os.sched_setaffinity(0, cores()[:threads]))
    if done.returncode:
        raise Failure(f"{' '.join(map(str, command))}\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def header(title, script, binary):
    """First lines of a section: what made it, when, on what."""
    model = [line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    version = [" ".join(line.split()) for line in run(1, binary, "--version").splitlines()]
    torch, imported = run(1, sys.executable, "-c", "import torch, resource; print(torch.__version__, "
                          "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)").split()
    return [f"## {title}", "",
            f"Made by `{script} --write`, which describes the method. Ratios above 1: normscope is faster. "
            "Only ratios taken in one run on one machine mean anything.", "",
            f"- {datetime.date.today()}, {model[0].split(':')[1].strip() if model else 'unknown'}, {len(cores())} cores",
            "- " + ", ".join(version),
            f"- PyTorch {torch}; its import alone takes {imported} MB, which is in its peak"]


def text_before(path):
    """What a file of benchmarks holds already; a section is appended to it."""
    path = pathlib.Path(path)
    return path.read_text() + "\n" if path.exists() else "# Benchmarks\n\n"


def table(head, rows):
    return ["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head),
            *("| " + " | ".join(map(str, row)) + " |" for row in rows)]
