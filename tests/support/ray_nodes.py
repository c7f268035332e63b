"""Two nodes of Ray in one machine; the second goes while it has an order. The file ``said`` has what came of it."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from streamcore import RunnableLambda, Words
from streamcore.scale import plan, run

FOLDER = Path(os.environ["STREAMCORE_TEST_FOLDER"])


def held(line: bytes) -> bytes:
    """On the second node: says that it is there, and waits for ever. On the first: waits until that one is gone."""
    if ray.get_runtime_context().get_node_id() == (FOLDER / "second").read_text():
        pipe = os.open(FOLDER / "told", os.O_WRONLY)
        os.write(pipe, b"0 0\n")
        threading.Event().wait()
    if not (FOLDER / "removed").exists():
        (FOLDER / "gone").read_bytes()
    return line


def main(paths: list[str], out: str) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    (FOLDER / "second").write_text(second.node_id)
    pipe = os.open(FOLDER / "told", os.O_RDWR)
    os.mkfifo(FOLDER / "gone")

    def remove() -> None:
        os.read(pipe, 4)
        cluster.remove_node(second, allow_graceful=False)
        (FOLDER / "removed").touch()
        (FOLDER / "gone").write_bytes(b"")

    threading.Thread(target=remove, daemon=True).start()
    pipeline = RunnableLambda(held) | Words(keep="none", as_=str)
    result = run(pipeline, plan(paths, target=100), out=out, format="jsonl", progress=False, engine="ray")
    said = {
        "files": list(result.files),
        "removed": (FOLDER / "removed").exists(),
        "still": ray.get(ray.put(4)),
    }
    (FOLDER / "said").write_text(json.dumps(said))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
