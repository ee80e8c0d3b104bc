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
SCENES = DATA / "scenes"
KERNELS = DATA / "kernels"
MATRIX = DATA / "matrix"


def names() -> List[str]:
    """The scenes that are recorded."""
    return sorted(path.parent.name for path in SCENES.glob("*/truth.json"))


def folders() -> List[pathlib.Path]:
    """Every folder with recordings: of scenes, of scenes on other kernels, of the matrix."""
    return sorted({path.parent for path in DATA.rglob("*.vqcap")})


def bundle(name: str, side: str, folder: pathlib.Path = SCENES) -> vqcap.Bundle:
    """One side of a scene, as it was recorded."""
    return vqcap.unpack((folder / name / f"{side}.vqcap").read_bytes())


def replay(recorded: vqcap.Bundle) -> Snapshot:
    """The walk again, from a recording."""
    walkers = {"guest": guest.take, "host": host.take}
    return walkers[recorded.asked["side"]](Replay(recorded), recorded.asked.get("device"))


def truth(name: str, folder: pathlib.Path = SCENES) -> Dict[str, Any]:
    """What independent witnesses said of a scene."""
    found: Dict[str, Any] = json.loads((folder / name / "truth.json").read_text())
    return found
