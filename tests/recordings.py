"""The recordings of real machines in tests/data."""
import json
import pathlib
from typing import Any, Dict, List

from vqcheck.guest import snapshot as guest
from vqcheck.host import snapshot as host
from vqcheck.snapshot.model import Snapshot
from vqcheck.target import vqcap
from vqcheck.target.recording import Replay

DATA = pathlib.Path(__file__).parent / "data"


def names() -> List[str]:
    """The scenes that are recorded."""
    return sorted(path.parent.name for path in DATA.glob("*/truth.json"))


def bundle(name: str, side: str) -> vqcap.Bundle:
    """One side of a scene, as it was recorded."""
    return vqcap.unpack((DATA / name / f"{side}.vqcap").read_bytes())


def replay(recorded: vqcap.Bundle) -> Snapshot:
    """The walk again, from a recording."""
    walkers = {"guest": guest.take, "host": host.take}
    return walkers[recorded.asked["side"]](Replay(recorded), recorded.asked.get("device"))


def truth(name: str) -> Dict[str, Any]:
    """What independent witnesses said of a scene."""
    found: Dict[str, Any] = json.loads((DATA / name / "truth.json").read_text())
    return found
