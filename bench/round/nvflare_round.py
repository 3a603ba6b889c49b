"""NVFlare's part of bench/round.ts: its NumPy recipe of FedAvg, one round, in its proof-of-concept environment or, where it
is told how many clients may work at once, in its simulator.

    python3 bench/round/nvflare_round.py WORKSPACE SITES PARAMETERS [FEW]

NVFLARE_POC_WORKSPACE names the folder of the environment. Prints `SERVER PID` once the server runs, and `ROUND TOOK SECONDS`:
from "Round 0 started" to "Finished FedAvg", as the server's log of the job has them.
"""

import os
import re
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import numpy as np
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.recipe import PocEnv, SimEnv

LIMIT_S = 1800
WORDS = ("Round 0 started", "Finished FedAvg")


def main(workspace, sites, parameters, few=None):
    checkpoint = Path(workspace, "model.npy").absolute()
    np.save(checkpoint, np.zeros(parameters, np.float32))
    recipe = NumpyFedAvgRecipe(
        name="round",
        initial_ckpt=str(checkpoint),
        min_clients=sites,
        num_rounds=1,
        train_script=str(Path(__file__).with_name("nvflare_client.py")),
    )
    threading.Thread(target=tell_server, daemon=True).start()
    if few is not None:
        recipe.execute(SimEnv(num_clients=sites, num_threads=few, workspace_root=workspace))
        print(f"ROUND TOOK {round_seconds(Path(workspace)):.3f}", flush=True)
        print("ENDED", flush=True)
        return
    environment = PocEnv(num_clients=sites)
    try:
        recipe.execute(environment)
        print(f"ROUND TOOK {round_seconds(Path(workspace)):.3f}", flush=True)
    finally:
        # Its services are sessions of their own and start again whatever ends otherwise.
        environment.stop()
    print("ENDED", flush=True)


def tell_server():
    """The server's process: the parent of the one that runs the job; in the simulator, of those that are clients."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            command = command_of(process)
            server = process.name if b"server_train" in command else None
            if b"simulator_worker" in command:
                server = parent_of(process)
            if server is not None:
                print(f"SERVER {server}", flush=True)
                return
        time.sleep(0.1)


def parent_of(process):
    try:
        return re.search(r"^PPid:\s+(\d+)", (process / "status").read_text(), re.MULTILINE)[1]
    except OSError:
        return None


def command_of(process):
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def round_seconds(workspace):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        for log in workspace.rglob("server/**/log.txt"):
            text = log.read_text(errors="replace")
            began, ended = (moment_before(words, text) for words in WORDS)
            if began and ended:
                return (ended - began).total_seconds()
        time.sleep(0.2)
    raise TimeoutError("the server's log does not say that the round ended")


def moment_before(words, text):
    """The words stand in the middle of a line of their own, below the line that has the time."""
    at = text.find(words)
    times = re.findall(r"^(\d{4}-\d\d-\d\d [\d:]+,\d+) ", text[: max(0, at)], re.MULTILINE)
    return datetime.strptime(times[-1], "%Y-%m-%d %H:%M:%S,%f") if times else None


main(os.path.abspath(sys.argv[1]), *map(int, sys.argv[2:]))
