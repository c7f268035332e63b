"""Installs what the tests compare with and read by, each as a wheel or not at all: ``python .ci/install_peers.py``.

Tests that need one that is not there skip. Nothing is compiled: some have no wheel for an interpreter or machine yet.
"""

import subprocess
import sys

PEERS = ("tiktoken>=0.12", "tokenizers>=0.21", "zstandard>=0.22")

for peer in PEERS:
    command = [sys.executable, "-m", "pip", "install", "--only-binary", ":all:", peer]
    if subprocess.run(command, check=False).returncode:
        print(f"no wheel of {peer} here: its tests skip")
