"""Keeping recordings: where VQCHECK_RECORD names a folder, what a run has made goes there."""
import os
import pathlib
import shutil
from typing import Dict

RECORD = "VQCHECK_RECORD"


def keep(place: str, files: Dict[str, pathlib.Path]) -> None:
    """Copy files under the names given into the folder `place` of the recordings, if they are wanted."""
    folder = os.environ.get(RECORD)
    if not folder:
        return
    into = pathlib.Path(folder) / place
    into.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        shutil.copy(source, into / name)
