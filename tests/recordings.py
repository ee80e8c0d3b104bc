"""The recordings of real machines in tests/data."""
import pathlib
from typing import List

from tests.lab import truth as witnesses
from tests.lab.qemu_build import DEFAULT
from tests.lab.truth import Truth
from vqcheck.guest import snapshot as guest
from vqcheck.host import snapshot as host
from vqcheck.snapshot.model import Snapshot
from vqcheck.target import vqcap
from vqcheck.target.recording import Replay

DATA = pathlib.Path(__file__).parent / "data"
SCENES = DATA / "scenes"
QEMUS = DATA / "qemus"
KERNELS = DATA / "kernels"
MATRIX = DATA / "matrix"


def place(qemu: str, scene: str) -> str:
    """The folder of a scene in one of the lab's QEMUs, below DATA."""
    return f"scenes/{scene}" if qemu == DEFAULT else f"qemus/{qemu}/{scene}"


def names(folder: pathlib.Path = SCENES) -> List[str]:
    """The scenes that are recorded in a folder."""
    return sorted(path.parent.name for path in folder.glob("*/truth.json"))


def scenes() -> List[str]:
    """Every recorded scene, of all QEMUs and kernels, by its folder below DATA."""
    return sorted(str(path.parent.relative_to(DATA)) for path in DATA.rglob("truth.json"))


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


def truth(name: str, folder: pathlib.Path = SCENES) -> Truth:
    """What independent witnesses said of a scene."""
    return witnesses.read(folder / name / "truth.json")
