"""Terraform, run in a directory."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.deployment import ROOT

TERRAFORM = ROOT / "terraform"
needs_terraform = pytest.mark.skipif(
    not shutil.which("terraform"), reason="terraform is not on the PATH"
)


def terraform(
    directory: Path, *arguments: str, check: bool = True, env: dict[str, str] | None = None
) -> str:
    """Runs terraform in a directory; returns what it printed, its errors where `check` is off."""
    done = subprocess.run(
        ["terraform", *arguments],
        cwd=directory,
        env=os.environ | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"} | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout if check else done.stderr
