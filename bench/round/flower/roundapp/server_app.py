"""The server of bench/round.ts for Flower: one round of FedAvg as its quickstart has it, timed, without evaluation."""

import time
import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


class Timed(FedAvg):
    def configure_train(self, *args, **kwargs):
        self.began = time.monotonic()
        return super().configure_train(*args, **kwargs)

    def aggregate_train(self, server_round, replies):
        done = super().aggregate_train(server_round, replies)
        print(f"ROUND TOOK {time.monotonic() - self.began:.3f}", flush=True)
        return done


@app.main()
def main(grid: Grid, context: Context) -> None:
    n, sites = context.run_config["parameters"], context.run_config["sites"]
    strategy = Timed(fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=sites, min_available_nodes=sites)
    strategy.start(grid=grid, initial_arrays=ArrayRecord([np.zeros(n, np.float32)]), num_rounds=1)
