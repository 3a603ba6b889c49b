"""A client of bench/round.ts for NVFlare: it adds one to each weight."""

import nvflare.client as flare

flare.init()
while flare.is_running():
    model = flare.receive()
    flare.send(flare.FLModel(params={key: value + 1 for key, value in model.params.items()}))
