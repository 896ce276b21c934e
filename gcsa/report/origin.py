"""When a report was written, and by which code."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import gcsa


def written(today: date | None = None) -> str:
    """The date, the version, and the commit where the package lies in its repository."""
    commit = commit_of(Path(gcsa.__file__).parents[1])
    by = f"gcsa {gcsa.__version__}{f', commit {commit}' if commit else ''}"
    return f"Written on {(today or date.today()).isoformat()} by {by}."


def commit_of(folder: Path) -> str | None:
    """The commit that is checked out in a folder, "with changes" where files differ from it.

    None where the folder is no repository's own, as that of an installed package, or without git.
    """
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty= with changes"]
    command += ["--exclude=*"]  # no tags: the version is said already
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
