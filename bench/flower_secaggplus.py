"""Flower's SecAgg+ on the work of bench/masking.ts: its own workflow and client mod, with messages handed over in memory.

    pip install flwr==1.42.0
    python3 bench/flower_secaggplus.py ELEMENTS SITES DROPPED SHARES

Settings as its reference advises (flwr.server.workflow.SecAggPlusWorkflow): an odd number of shares, one for each
neighbour and one that a client keeps; a threshold of more than half of them; clipping, quantisation and modulus as they
are by default (2^22 steps in words of 2^32). The sites that drop do so after they shared their keys, before their masked
vector. Prints JSON: processor seconds of one client's masking (mean of the survivors) and of the server's sum and
unmasking, each as it is and as masks alone: without stochastic rounding of weights, keys and shares.
"""

import json
import sys
import time
from copy import deepcopy
from importlib import import_module
from importlib.metadata import version

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Stage
from flwr.common.secure_aggregation.secaggplus_constants import Key as StageKey
from flwr.compat.common import recorddict_compat as compat
from flwr.server.client_manager import SimpleClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.compat.legacy_context import LegacyContext
from flwr.server.server_config import ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key
from flwr.supercore.task_identity import TaskIdentity

# What a Flower process is told when it starts.
TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1

# The package has a function of the same name.
mod = import_module("flwr.client.mod.secure_aggregation.secaggplus_mod")
workflow_module = import_module("flwr.server.workflow.secure_aggregation.secaggplus_workflow")
elements, sites, dropped, shares = (int(each) for each in sys.argv[1:5])
threshold = shares // 2 + 1
weights = [np.linspace(-1, 1, elements, dtype=np.float32)]
seconds = {"masking": 0.0, "beside": 0.0, "clients": 0.0, "shares": 0.0}


def timed(name, call):
    def run(*args, **kwargs):
        start = time.process_time()
        try:
            return call(*args, **kwargs)
        finally:
            seconds[name] += time.process_time() - start

    return run


collect = mod._collect_masked_vectors


def masking(*args):
    """Keys are agreed before, too: only what is done beside masks in this stage is taken off it."""
    global masking_beside
    before = seconds["beside"]
    answer = timed("masking", collect)(*args)
    masking_beside += seconds["beside"] - before
    return answer


masking_beside = 0.0
mod._collect_masked_vectors = masking
mod.quantize = timed("beside", mod.quantize)
mod.generate_shared_key = timed("beside", mod.generate_shared_key)
workflow_module.combine_shares = timed("shares", workflow_module.combine_shares)
workflow_module.generate_shared_key = timed("shares", workflow_module.generate_shared_key)


class Proxy(ClientProxy):
    """A client that the strategy may choose; nobody calls it, since messages go through the grid."""

    def __init__(self, node_id):
        super().__init__(str(node_id))
        self.node_id = node_id

    def get_properties(self, ins, timeout, group_id):
        raise NotImplementedError

    get_parameters = fit = evaluate = reconnect = get_properties


def fit(message, _):
    answer = FitRes(Status(Code.OK, ""), ndarrays_to_parameters(weights), 1, {})
    return Message(compat.fitres_to_recorddict(answer, keep_input=False), reply_to=message)


class Grid:
    """Hands messages to the clients' mod; the last sites send nothing once they shared their keys."""

    def __init__(self):
        self.contexts = {}

    def send_and_receive(self, messages, *, timeout=None):
        start = time.process_time()
        try:
            return [answer for answer in map(self._answer, messages) if answer is not None]
        finally:
            seconds["clients"] += time.process_time() - start

    def _answer(self, message):
        node_id = message.metadata.dst_node_id
        # As on the way: what one client does to its message changes no other's.
        message = deepcopy(message)
        stage = message.content.config_records[RECORD_KEY_CONFIGS][StageKey.STAGE]
        if node_id > sites - dropped and stage in (Stage.COLLECT_MASKED_VECTORS, Stage.UNMASK):
            return None
        context = self.contexts.setdefault(node_id, new_context(node_id))
        answer = mod.secaggplus_mod(message, context, fit)
        answer.metadata._src_node_id = node_id
        return answer


def new_context(node_id):
    return Context(run_id=1, node_id=node_id, node_config={}, state=RecordDict(), run_config={})


manager = SimpleClientManager()
for node in range(1, sites + 1):
    manager.register(Proxy(node))
strategy = FedAvg(fraction_fit=1.0, min_fit_clients=sites, min_available_clients=sites)
context = LegacyContext(new_context(0), ServerConfig(1), strategy, manager)
context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({Key.CURRENT_ROUND: 1})
context.state.array_records[MAIN_PARAMS_RECORD] = compat.parameters_to_arrayrecord(
    ndarrays_to_parameters(weights), keep_input=True
)
before = context.state.array_records[MAIN_PARAMS_RECORD]
workflow = workflow_module.SecAggPlusWorkflow(shares, threshold, max_weight=1)
for stage in ("collect_masked_vectors_stage", "unmask_stage"):
    seconds[stage] = 0.0


def server(stage):
    """Processor seconds of a stage less those of the clients in it."""
    call = getattr(workflow, stage)

    def run(*args):
        start, clients = time.process_time(), seconds["clients"]
        try:
            return call(*args)
        finally:
            seconds[stage] += time.process_time() - start - (seconds["clients"] - clients)

    return run


for stage in ("collect_masked_vectors_stage", "unmask_stage"):
    setattr(workflow, stage, server(stage))
workflow(Grid(), context)
after = context.state.array_records[MAIN_PARAMS_RECORD]
result = compat.arrayrecord_to_parameters(after, keep_input=True)
error = float(np.abs(parameters_to_ndarrays(result)[0] - weights[0]).max())
if after is before or error > 1e-4:
    sys.exit(f"the workflow did not come to the mean of the weights: off by {error}")
survivors = sites - dropped
server_seconds = seconds["collect_masked_vectors_stage"] + seconds["unmask_stage"]
answer = {
    "site": seconds["masking"] / survivors,
    "siteMasks": (seconds["masking"] - masking_beside) / survivors,
    "coordinator": server_seconds,
    "coordinatorMasks": server_seconds - seconds["shares"],
    "version": version("flwr"),
    "error": error,
}
print(json.dumps(answer))
