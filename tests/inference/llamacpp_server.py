"""Serves a GGUF file with llama.cpp's own HTTP server, on loopback, for at most an hour.

    python -m tests.inference.llamacpp_server FILE PORT SLOTS CONTEXT BATCH

BATCH is the number of tokens computed together: with 1, a reply does not depend on its neighbours.
"""

import os
import sys
import time

import xllamacpp

LONGEST_S = 3600


def main(file, port, slots, context, batch):
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.model_alias = file, {"smollm2"}
    settings.hostnames, settings.port = ["127.0.0.1"], int(port)
    settings.n_parallel, settings.n_ctx = int(slots), int(slots) * int(context)
    settings.n_ubatch = int(batch)
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.warmup, settings.verbosity = False, -1
    server = xllamacpp.Server(settings)
    parent, until = os.getppid(), time.monotonic() + LONGEST_S
    while os.getppid() == parent and time.monotonic() < until:
        time.sleep(0.5)
    del server


if __name__ == "__main__":
    main(*sys.argv[1:])
