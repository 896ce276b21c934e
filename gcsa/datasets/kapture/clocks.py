"""Which receivers belong to which cameras, by the ids of sensors.

kapture says of a receiver (``wifi``, ``bluetooth``, ``gnss``) whose it is by rigs alone, and often
not at all. In this order: ``<camera>_...`` and ``..._<camera>`` is that camera's, as kapture's own
tools name them; one in a rig is of the rig's cameras; others are of the cameras whose id has the
same beginning before its first "/", as LaMAR's sub-sessions, or none either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gcsa.datasets.lamar.records import Rig
from gcsa.sideinfo.scans import clock_of


def clocks_of(sensors: Mapping[str, str], rigs: Mapping[str, Rig], kind: str) -> dict[str, str]:
    """The clock of each sensor, as receivers of a kind tell it: equal for those that go together.

    sensors: type by id.
    """
    rig_of = {str(name): rig for rig, members in rigs.items() for name in members.sensor_ids}
    own = {
        name: camera
        for name, type in sensors.items()
        if type == kind
        for camera in _cameras(name, sensors)
    }
    heard = {rig_of[name] for name, type in sensors.items() if type == kind and name in rig_of}
    served = set(own.values())

    def clock(name: str) -> str:
        camera = own.get(name, name)
        if camera in served:
            return f"camera {camera}"
        if rig_of.get(name) in heard:
            return f"rig {rig_of[name]}"
        return f"all {clock_of(np.array([name]))[0]}"

    return {name: clock(name) for name in sensors}


def _cameras(receiver: str, sensors: Mapping[str, str]) -> list[str]:
    """The camera that a receiver is named after, if any."""
    guesses = receiver.rpartition("_")[0], receiver.partition("_")[2]
    return [name for name in guesses if sensors.get(name) == "camera"][:1]
