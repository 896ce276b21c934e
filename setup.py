"""What pyproject.toml cannot say: compiles gcsa._kernels where there is a C compiler.

Fields of view wider than 180 degrees need GEOS (3.9 or later) for that. It is found by geos-config,
or by GEOS_CONFIG (the path of another geos-config), or by GEOS_INCLUDE_PATH and GEOS_LIBRARY_PATH
(the folders of geos_c.h and of the library). What cannot be compiled does not stop the install:
gcsa.sideinfo.fov and gcsa.sideinfo.radio then compute the same numbers with Shapely and SciPy,
slower.
"""

import copy
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

CORE = ["fov", "convex", "radio", "best"]  # and with GEOS: geos, geos_ctx
SHELL = ["module", "shell_fov", "shell_radio", "shell_best"]
C_FLAGS = ["-std=c11", "-O3", "-Wall", "-Wextra", "-pthread"]
WITHOUT_GEOS = (
    "gcsa: compiled without GEOS, fields of view wider than 180 degrees will be slower; "
    "with it: apt-get install libgeos-dev, or brew install geos ({})"
)
WITHOUT_KERNELS = (
    "gcsa: installed without the compiled gcsa._kernels, its pure-Python path gives the same "
    "numbers, slower; it needs a C compiler and Python's headers ({})"
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


def with_geos(ext: Extension) -> Extension:
    """The same extension, and the part that needs GEOS."""
    ext = copy.deepcopy(ext)
    ext.sources += ["src_c/geos.c", "src_c/geos_ctx.c"]
    ext.define_macros.append(("GCSA_GEOS", None))
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
    return ext


class OptionalBuildExt(build_ext):
    """Builds of the extension what it can, and says in one line what it cannot."""

    def build_extension(self, ext):
        for variant, without in ((with_geos, WITHOUT_GEOS), (copy.copy, WITHOUT_KERNELS)):
            try:
                return super().build_extension(variant(ext))
            except Exception as error:  # whatever stops a compiler must not stop the install
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                print(without.format(reason), file=sys.stderr)


def page() -> str:
    """README.md for a package index, which has no files beside it: links to files become text."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^!\[[^]]*\]\((?!https?:)[^)]*\)\n(\n\*.*\*\n)?", "", text)
    return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


setup(
    long_description=page(),
    long_description_content_type="text/markdown",
    # The shipped settings, and the network of --method place, lie at the top level, and are
    # installed inside the package.
    packages=[*find_packages(include=["gcsa*"]), "gcsa.configs", "gcsa.checkpoints"],
    package_dir={"gcsa.configs": "configs", "gcsa.checkpoints": "checkpoints"},
    package_data={
        "gcsa": ["py.typed"],
        "gcsa.configs": ["*.yaml"],
        "gcsa.checkpoints": ["place_universal.pth.tar"],
        "gcsa.locate": ["*.html", "*.css", "*.js"],
        "gcsa.report": ["*.html", "*.css", "*.js"],
        "gcsa.serve": ["*.html", "*.css", "*.js"],
    },
    ext_modules=[
        Extension(
            "gcsa._kernels",
            sources=[f"src_c/{name}.c" for name in CORE + SHELL],
            depends=sorted(str(path) for path in Path("src_c").glob("*.[ch]")),
            libraries=[] if os.name == "nt" else ["m"],
            extra_compile_args=[] if os.name == "nt" else C_FLAGS,
            extra_link_args=[] if os.name == "nt" else ["-pthread"],
            optional=True,
        )
    ],
    cmdclass={"build_ext": OptionalBuildExt},
)
