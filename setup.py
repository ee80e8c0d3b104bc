"""Packaging: one `pip install` brings the vqcheck command and what crash and gdb load."""
import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "vqcheck/__init__.py").read_text()).group(1)

setup(
    name="vqcheck",
    version=VERSION,
    description="Tells who lost which event when a virtual machine's virtio I/O hangs",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="GPL-2.0-or-later",
    python_requires=">=3.9",
    packages=find_packages(include=["vqcheck", "vqcheck.*", "crash_ext", "crash_ext.*", "gdb_ext", "gdb_ext.*"]),
    package_data={
        "vqcheck.snapshot": ["schema/*.json"],
        "vqcheck.cli": ["demo/*"],
        "vqcheck.check": ["schema/*.json"],
        "vqcheck.render.report": ["page.css"],
        "crash_ext": ["loader/*.c", "loader/*.h", "loader/Makefile"],
    },
    install_requires=["tabulate>=0.8.10"],
    extras_require={
        "drgn": ["drgn>=0.0.31"],
        "qmp": ["qemu.qmp>=0.0.3"],
        "test": ["pytest", "hypothesis", "jsonschema", "ruff", "mypy", "import-linter", "vermin", "pytest-benchmark",
                 "pytest-xdist", "types-tabulate", "sarif-om", "qemu.qmp>=0.0.3"],
    },
    entry_points={"console_scripts": ["vqcheck = vqcheck.cli.main:main"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Operating System :: POSIX :: Linux",
        "Topic :: System :: Operating System Kernels :: Linux",
        "Topic :: Software Development :: Debuggers",
    ],
)
