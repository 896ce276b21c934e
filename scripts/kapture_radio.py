"""Convert kapture's radio records (records_wifi.txt, records_bluetooth.txt) to LaMAR's wifi.txt
and bt.txt, and print the lines that sensors.txt needs for their receivers.

- Timestamps become microseconds. kapture leaves the unit open, and it may differ from that of the
  images of the same data set; "auto" tells s, ms, us and ns of Unix time apart by magnitude.
- Frequencies become kHz, -1 where unknown (0 or less). kapture's text says Hz, its samples are in
  MHz: below 1e5 they count as MHz, below 1e8 as kHz, else as Hz.
- A scan time of 0 (undefined) becomes -1, others microseconds.
- A Bluetooth address aa:bb:cc:dd:ee:ff becomes the beacon
  00000000-0000-0000-0000-aabbccddeeff:0:0: LaMAR identifies beacons by guid:major:minor.
- Commas in names (SSID) become spaces: LaMAR's fields have none. Addresses become lower case.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterator
from pathlib import Path

from gcsa.errors import InputError, MissingFileError, run_program
from gcsa.files import write_text

FILES = {"wifi": ("records_wifi.txt", "wifi.txt"), "bt": ("records_bluetooth.txt", "bt.txt")}
HEADERS = {
    "wifi": "# timestamp, sensor_id, mac_addr, frequency_khz, rssi_dbm, name, "
    "scan_time_start_us, scan_time_end_us",
    "bt": "# timestamp, sensor_id, id, rssi_dbm, name",
}
TYPES = {"wifi": "wifi", "bt": "bluetooth"}
# Microseconds of a unit as a fraction, and the Unix times that "auto" takes for it (1973 to 5138).
UNITS = {"s": (1_000_000, 1), "ms": (1000, 1), "us": (1, 1), "ns": (1, 1000)}
EARLIEST = {"s": 10**8, "ms": 10**11, "us": 10**14, "ns": 10**17}
ADDRESS = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


def convert(source: Path, target: Path, unit: str = "auto", prefix: str = "") -> list[str]:
    """Convert the records in ``source`` (kapture's sensors/ folder) to files in ``target``.

    unit: of the timestamps, "s", "ms", "us", "ns" or "auto". prefix: sub-session to put before the
    ids of the receivers ("prefix/id"), so that they share the clock of its cameras.
    Returns the lines that sensors.txt needs. Raises InputError, which names file and line.
    """
    if not any((source / name).is_file() for name, _ in FILES.values()):
        raise MissingFileError(f"{source}: neither records_wifi.txt nor records_bluetooth.txt")
    sensors = []
    for kind, (name, output) in FILES.items():
        if (source / name).is_file():
            rows = list(_rows(source / name, kind, unit, prefix))
            text = "".join(line + "\n" for line in [HEADERS[kind], *(", ".join(r) for r in rows)])
            write_text(target / output, text)
            sensors += [
                f"{sensor}, , {TYPES[kind]}" for sensor in dict.fromkeys(r[1] for r in rows)
            ]
    return sensors


def _rows(path: Path, kind: str, unit: str, prefix: str) -> Iterator[list[str]]:
    """The rows of LaMAR's file, as text."""
    least = {"wifi": 8, "bt": 5}[kind]
    # Names of networks may hold anything, other line ends and other encodings among it.
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line.split(",")]
        if line.startswith("#") or not line.strip():
            continue
        if len(fields) < least:
            raise InputError(
                f"{path}: line {number}: {len(fields)} fields, expected {least} or more"
            )
        try:
            yield (_wifi if kind == "wifi" else _bluetooth)(fields, unit, prefix)
        except ValueError as error:
            raise InputError(f"{path}: line {number}: {error}") from error


def _wifi(fields: list[str], unit: str, prefix: str) -> list[str]:
    time, device, address, frequency, rssi, *name, start, end = fields
    scan = [microseconds(t, unit) if int(t) > 0 else -1 for t in (start, end)]
    return [
        str(microseconds(time, unit)),
        _sensor(device, prefix),
        _address(address),
        str(kilohertz(float(frequency))),
        str(_finite(rssi)),
        " ".join(part for part in name if part),
        *map(str, scan),
    ]


def _bluetooth(fields: list[str], unit: str, prefix: str) -> list[str]:
    time, device, address, rssi, *name = fields
    beacon = f"00000000-0000-0000-0000-{_address(address).replace(':', '')}:0:0"
    text = " ".join(part for part in name if part)
    return [
        str(microseconds(time, unit)),
        _sensor(device, prefix),
        beacon,
        str(_finite(rssi)),
        text,
    ]


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is not a signal")
    return value


def microseconds(timestamp: str, unit: str) -> int:
    """A timestamp in microseconds; nanoseconds are rounded down."""
    value = int(timestamp)
    if unit == "auto":
        fitting = [name for name, least in EARLIEST.items() if least <= value < 1000 * least]
        if not fitting:
            raise ValueError(f"'{timestamp}' is no Unix time in s, ms, us or ns: give --time-unit")
        unit = fitting[0]
    factor, divisor = UNITS[unit]
    return value * factor // divisor


def kilohertz(frequency: float) -> int:
    """A frequency of unknown unit in kHz, -1 for none."""
    if frequency <= 0:
        return -1
    if frequency < 1e5:
        return round(frequency * 1000)
    return round(frequency if frequency < 1e8 else frequency / 1000)


def _address(text: str) -> str:
    if not ADDRESS.fullmatch(text.lower()):
        raise ValueError(f"'{text}' is not an address of six pairs of hexadecimal digits")
    return text.lower()


def _sensor(device: str, prefix: str) -> str:
    return f"{prefix}/{device}" if prefix else device


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="kapture's sensors/ folder")
    parser.add_argument("target", type=Path, help="folder to write wifi.txt and bt.txt to")
    parser.add_argument("--time-unit", choices=["auto", *UNITS], default="auto")
    parser.add_argument("--sub-session", default="", help="put before the ids of the receivers")
    args = parser.parse_args()
    print("\n".join(convert(args.source, args.target, args.time_unit, args.sub_session)))


if __name__ == "__main__":
    run_program(main)
