"""Ray: the same documents on a session of its own, on that of the user, and when a node goes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from scale_runs import LONG, Folder, corpus, documents, wanted

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched in /proc")
SCRIPT = Path(__file__).parent.parent.parent / "support" / "ray_nodes.py"


def test_a_session_for_the_run_and_a_part_that_hangs(folder: Folder) -> None:
    paths = corpus(folder.path / "in", stops=[0])
    folder.finish_though_one_hangs(paths, engine="ray", jobs=2, timeout=8)
    folder.none_left()


def test_a_node_that_goes_and_a_session_that_is_left(folder: Folder) -> None:
    paths = corpus(folder.path / "in")
    process = folder.start(str(SCRIPT), json.dumps([paths, str(folder.out)]))
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 0, errors.decode()
    said = json.loads((folder.path / "said").read_text())
    assert documents(said["files"]) == wanted(paths)
    assert said["removed"]
    assert said["still"] == 4
    assert folder.finish(paths)["done"] == 0
