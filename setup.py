"""Installs gcsa, and compiles gcsa._fov where GEOS (3.9 or later) and a C compiler are found.

GEOS is found by geos-config, or by GEOS_CONFIG (the path of another geos-config), or by
GEOS_INCLUDE_PATH and GEOS_LIBRARY_PATH (the folders of geos_c.h and of the library). Without it
the install succeeds all the same: gcsa.fov then computes the same numbers with Shapely, slower.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

WITHOUT_FOV = (
    "gcsa: installed without the compiled gcsa._fov, its pure-Python path gives the same numbers, "
    "slower; for it: apt-get install libgeos-dev, or brew install geos ({})"
)


def geos_flags() -> list[str]:
    """Compiler and linker flags of GEOS's C interface; OSError where there is no geos-config."""
    folders = [
        flag + os.environ[name]
        for flag, name in (("-I", "GEOS_INCLUDE_PATH"), ("-L", "GEOS_LIBRARY_PATH"))
        if os.environ.get(name)
    ]
    if len(folders) == 2:
        return [*folders, "-lgeos_c"]
    command = [os.environ.get("GEOS_CONFIG") or "geos-config", "--cflags", "--clibs"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [*folders, *shlex.split(done.stdout)]


class OptionalBuildExt(build_ext):
    """Builds the extension if it can, and says in one line if it cannot."""

    def build_extension(self, ext):
        try:
            lists = {"-I": ext.include_dirs, "-L": ext.library_dirs, "-l": ext.libraries}
            for flag in geos_flags():
                if flag[:2] in lists:
                    lists[flag[:2]].append(flag[2:])
                else:
                    ext.extra_link_args.append(flag)
            # So that a GEOS outside the system's folders is found at run time too.
            ext.runtime_library_dirs += [
                folder for folder in ext.library_dirs if not folder.startswith("/usr/lib")
            ]
            super().build_extension(ext)
        except Exception as error:  # whatever stops a compiler must not stop the install
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            print(WITHOUT_FOV.format(reason), file=sys.stderr)


init = Path(__file__).with_name("gcsa") / "__init__.py"

setup(
    name="gcsa",
    version=re.search(r'__version__ = "(.+)"', init.read_text(encoding="utf-8")).group(1),
    description="Visual place recognition: re-ranking with non-visual side information",
    license="MIT",
    packages=find_packages(include=["gcsa*"]),
    python_requires=">=3.10",
    install_requires=[
        "h5py>=3.8",
        "numpy>=1.24",
        "omegaconf>=2.3",
        "pandas>=2.0",
        "pillow>=9.5",
        "pyyaml>=6",
        "scipy>=1.10",
        "shapely>=2.0",
        "torch>=2.1",
        "tqdm>=4.64",
    ],
    extras_require={
        "wandb": ["wandb"],
        "plots": ["matplotlib"],
        "msls_meta": ["pyproj", "requests"],
        "lamar": ["pycolmap"],
        "test": ["hypothesis", "pyproj", "pytest", "pytest-xdist", "requests", "ruff"],
        "all": [
            *["wandb", "matplotlib", "pyproj", "requests"],
            *["hypothesis", "pytest", "pytest-xdist", "ruff"],
        ],
    },
    ext_modules=[
        Extension(
            "gcsa._fov",
            sources=["src_c/module.c", "src_c/fov.c", "src_c/geos_ctx.c", "src_c/convex.c"],
            depends=["src_c/fov.h", "src_c/geos_ctx.h", "src_c/convex.h"],
            libraries=[] if os.name == "nt" else ["m"],
            extra_compile_args=[] if os.name == "nt" else ["-std=c11", "-Wall", "-Wextra"],
            optional=True,
        )
    ],
    cmdclass={"build_ext": OptionalBuildExt},
)
