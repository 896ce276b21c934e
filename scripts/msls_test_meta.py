"""Rebuild raw.csv and postprocessed.csv of the MSLS test cities from Mapillary's Graph API v4.

The keys come from seq_info.csv (or subtask_index.csv) in test/CITY/{query,database} of --root;
row i of the written files is row i of that file. Each answer is appended to .mapillary_cache.jsonl
in the folder: an interrupted run, repeated, asks only for what is missing. Existing files are not
overwritten without --force. The token is read from the environment, MAPILLARY_TOKEN.

- The positions are today's answers of the API, not the ground truth published with MSLS.
- easting, northing: metres, UTM (WGS84), in one zone a city, that of the median longitude of its
  query and database images together. ca: degrees clockwise from north, [0, 360). captured_at: UTC.
- MSLS has the old 22-character keys. The API may no longer know one (image deleted, old key not
  resolved); its row then has lon, lat, ca, captured_at, easting and northing empty, pano False.
  Rows without a position are counted, and listed in test/CITY/mapillary_missing.csv: drop them
  before a tool that cannot read empty numbers. A city without any position is not written.
- The API lacks four columns, which get neutral values: unique_cluster the row number (each image
  its own cluster), control_panel False, night False, view_direction Forward.
- Tested with a local stand-in only: whether the service resolves old keys, see with one city.
"""

import csv
import json
import os
import sys
import threading
import zipfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from textwrap import shorten
from urllib.parse import quote

import numpy as np
import pandas as pd
from tqdm import tqdm

from gcsa.errors import InputError
from gcsa.files import appending, replacing

try:
    import pyproj
    import requests
    import urllib3
except ImportError as error:
    sys.exit(f"error: {error.name} is not installed (pip install pyproj requests)")

CITIES = ("miami", "athens", "buenosaires", "stockholm", "bengaluru", "kampala")
ROLES = ("query", "database")
COLUMNS = {
    "raw.csv": "key lon lat ca captured_at pano".split(),
    "postprocessed.csv": "key easting northing unique_cluster control_panel night "
    "view_direction".split(),
}
FIELDS = "id,geometry,computed_geometry,compass_angle,computed_compass_angle,captured_at,is_pano"
PREFIXES = {"computed": ("", "computed_"), "original": ("",)}  # of these fields, the best last
CACHE = ".mapillary_cache.jsonl"  # [key, answer] a line, in the folder of the keys
BUSY_CODES = {1, 2, 4, 17, 32, 341, 613}  # of the Graph API: passing faults and rate limits
LONGEST_PAUSE = 60.0  # seconds between two attempts, unless Retry-After asks for more
FAILURES_IN_A_ROW = 20  # so many keys without an answer mean that the service is down


class MetaError(Exception):
    """A fault that ends the run; its text is one line for the user."""


class CityError(MetaError):
    """A fault of one city; the run goes on with the next."""


class BusyError(Exception):
    """A fault (text, pause) that may pass; `pause` is the wait in seconds that it asked for."""


def ask(args: Namespace, key: str) -> dict | None:
    """The fields of image `key`, None when the API does not know it; errors as of `ask_once`."""
    pause = args.backoff
    for attempt in range(args.retries + 1):
        try:
            return ask_once(args, key)
        except BusyError as busy:
            if attempt == args.retries or args.stop.wait(max(pause, busy.args[1])):
                raise
            pause = min(2 * pause, LONGEST_PAUSE)


def ask_once(args: Namespace, key: str) -> dict | None:
    """One attempt of `ask`. Raises BusyError when another one may do, MetaError when none will."""
    url = args.url_template.format(base=args.base_url, key=quote(key, safe=""), fields=FIELDS)
    try:
        return read_answer(args.session.get(url, timeout=args.timeout))
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.InvalidHeader,
    ) as error:
        raise BusyError(shorten(str(error), 300), 0) from None
    except requests.RequestException as error:
        raise MetaError(f"cannot ask {args.base_url}: {shorten(str(error), 300)}") from None


def read_answer(response: requests.Response) -> dict | None:
    """The fields in a response, None for an unknown key; errors as of `ask_once`."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    error = body.get("error", {}) if isinstance(body, dict) else {}
    error = error if isinstance(error, dict) else {"message": error}
    status, code = response.status_code, error.get("code")
    text = shorten(f"HTTP {status} {error.get('message', '')}", 300)
    if status == 429 or status >= 500 or code in BUSY_CODES or error.get("is_transient"):
        raise BusyError(text, urllib3.Retry().get_retry_after(response.raw) or 0)
    if status in (401, 403) or code == 190:
        raise MetaError(f"the token in MAPILLARY_TOKEN was refused: {text}")
    if status in (404, 410) or (code in (100, 803) and "not exist" in text):
        return None
    if status != 200 or error:
        raise MetaError(f"the API refused the call: {text}")
    if not isinstance(body, dict):
        raise BusyError("HTTP 200 without a JSON object", 0)
    return body


def ask_all(args: Namespace, keys: list[str], store: Callable, title: str) -> list[str]:
    """Ask for `keys` in threads and call store(key, answer) here; return the faults of the others.
    Raises MetaError as `ask`, and when FAILURES_IN_A_ROW keys had no answer."""
    faults, in_a_row = [], 0
    args.stop.clear()
    pool = ThreadPoolExecutor(args.workers)
    try:
        asked = {pool.submit(ask, args, key): key for key in keys}
        for future in tqdm(as_completed(asked), title, len(asked), unit="image", disable=None):
            try:
                store(asked[future], future.result())
                in_a_row = 0
            except BusyError as busy:
                faults.append(f"{asked[future]}: {busy.args[0]}")
                in_a_row += 1
            if in_a_row == FAILURES_IN_A_ROW:
                raise MetaError(f"the service does not answer ({faults[-1]}); run again later")
    finally:
        args.stop.set()  # wakes the threads that wait for their next attempt
        pool.shutdown(cancel_futures=True)
    return faults


def read_keys(folder: Path) -> list[str]:
    """The keys of a folder in row order. Raises CityError when there is no list of keys."""
    for path in (folder / "seq_info.csv", folder / "subtask_index.csv"):
        if path.exists():
            with path.open(newline="", encoding="utf-8", errors="replace") as file:
                keys = [row.get("key") for row in csv.DictReader(file)]
            if not keys or not all(keys):
                raise CityError(f"{path}: expected a column 'key' with a key in each row")
            return keys
    raise CityError(f"expected {folder / 'seq_info.csv'} or subtask_index.csv")


def read_cache(path: Path, with_unknown: bool) -> dict[str, dict | None]:
    """Answers of earlier runs, those for unknown keys if `with_unknown`; torn lines are ignored."""
    answers = {}
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            key, answer = json.loads(line)
        except (ValueError, TypeError):
            continue
        if isinstance(answer, dict) or (answer is None and with_unknown):
            answers[str(key)] = answer
    return answers


def gather(args: Namespace, folder: Path, keys: list[str]) -> list[dict | None]:
    """The answer for each key of a folder, from its cache or else the API. Errors as of `ask_all`,
    and CityError when keys stay without an answer."""
    answers = read_cache(folder / CACHE, with_unknown=not args.retry_unknown)
    todo = [key for key in dict.fromkeys(keys) if key not in answers]
    if todo and not args.token:
        raise MetaError("MAPILLARY_TOKEN does not hold an access token of the Mapillary API")
    with appending(folder / CACHE) as cache:
        cache.write("\n" if todo else "")  # ends a line that an interrupted run left open

        def store(key: str, answer: dict | None) -> None:
            answers[key] = answer
            print(json.dumps([key, answer]), file=cache, flush=True)

        faults = ask_all(args, todo, store, "/".join(folder.parts[-2:]))
    if faults:
        raise CityError(f"no answer for {len(faults)} keys of {folder} ({faults[0]}); run again")
    return [answers[key] for key in keys]


def tabulate(keys: list[str], answers: list[dict | None], geometry: str) -> pd.DataFrame:
    """The columns of both files but easting and northing, and the reason of a missing position."""
    images = [answer or {} for answer in answers]
    table = pd.DataFrame({"key": keys, "lon": np.nan, "lat": np.nan, "ca": np.nan})
    for prefix in PREFIXES[geometry]:
        points = [(image.get(f"{prefix}geometry") or {}).get("coordinates") for image in images]
        found = pd.DataFrame(
            {
                "lon": [p and p[0] for p in points],
                "lat": [p and p[1] for p in points],
                "ca": [image.get(f"{prefix}compass_angle") for image in images],
            }
        ).apply(pd.to_numeric, errors="coerce")
        found.loc[~(found.lon.abs().le(180) & found.lat.abs().le(90)), ["lon", "lat"]] = np.nan
        table.update(found)
    moments = pd.to_numeric(pd.Series([image.get("captured_at") for image in images]), "coerce")
    return table.assign(
        ca=table["ca"] % 360 % 360,  # twice, for -1e-20 % 360 is 360
        captured_at=pd.to_datetime(moments, unit="ms", errors="coerce").dt.strftime("%Y-%m-%d"),
        pano=[bool(image.get("is_pano")) for image in images],
        unique_cluster=range(len(keys)),
        control_panel=False,
        night=False,
        view_direction="Forward",
        reason=["no position" if image else "unknown to the API" for image in images],
    )


def project(city: pd.DataFrame) -> pd.DataFrame:
    """`city`, all images of a city, with easting and northing in metres. Raises CityError."""
    if city["lon"].isna().all():
        raise CityError("no image has a position (--url-template? --retry-unknown?), none written")
    zone = min(int((city["lon"].median() + 180) // 6) + 1, 60)
    epsg = (32600 if city["lat"].median() >= 0 else 32700) + zone
    to_utm = pyproj.Transformer.from_crs(4326, epsg, always_xy=True)
    east, north = to_utm.transform(city["lon"].to_numpy(), city["lat"].to_numpy())
    return city.assign(easting=east, northing=north).replace(np.inf, np.nan)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write `table` with a row number as first column, complete or not at all."""
    with replacing(path) as part:
        table.reset_index(drop=True).to_csv(part, lineterminator="\n")


def rebuild_city(args: Namespace, city: str) -> str:
    """Write the files of one city; return what to say of it. Errors as of `gather`, `project`."""
    folders = [args.root / "test" / city / role for role in ROLES]
    due = [f / n for f in folders for n in COLUMNS if args.force or not (f / n).exists()]
    if not due:
        return "all files exist and are kept (--force overwrites)"
    keys = {folder: read_keys(folder) for folder in folders}
    tables = [tabulate(k, gather(args, f, k), args.geometry) for f, k in keys.items()]
    table = project(pd.concat(tables, keys=ROLES, names=["role"]))
    for path in due:
        write_csv(path, table.loc[path.parent.name, COLUMNS[path.name]])
    missing = table[table["lon"].isna()].reset_index("role")[["role", "key", "reason"]]
    write_csv(folders[0].parent / "mapillary_missing.csv", missing)
    return f"{len(table)} images, {len(missing)} without a position; {len(due)} of 4 files written"


def rebuild_cities(args: Namespace, cities: list[str]) -> list[str]:
    """Rebuild `cities` and say so, one line a city; return the complete ones. Raises MetaError."""
    if not cities:
        raise MetaError(f"no city found: expected {args.root / 'test' / CITIES[0]} or another")
    done = []
    for city in cities:
        try:
            print(f"{city}: {rebuild_city(args, city)}")
            done.append(city)
        except CityError as error:
            print(f"error: {city}: {error}", file=sys.stderr)
    return done


def pack(path: Path, root: Path, cities: list[str]) -> None:
    """Zip the files of `cities`, named relative to `root`; complete or not at all."""
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (f"test/{c}/{r}/{n}" for c in cities for r in ROLES for n in COLUMNS):
            archive.write(root / name, name)


def parse_args(argv: list[str] | None) -> Namespace:
    """The command line; exits with status 2 when it is wrong."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--root", type=Path, default=Path("datasets/msls"), help="folder that holds test/")
    add("--cities", nargs="+", metavar="CITY", help="default: the test cities found under --root")
    add("--geometry", choices=PREFIXES, default="computed", help="computed: else the original one")
    add("--force", action="store_true", help="overwrite existing raw.csv and postprocessed.csv")
    add("--zip", type=Path, metavar="FILE", help="pack the files of the complete cities, kept too")
    add("--retry-unknown", action="store_true", help="ask again for keys once unknown to the API")
    add("--base-url", default="https://graph.mapillary.com")
    add("--url-template", default="{base}/{key}?fields={fields}", help="how a key is asked for")
    add("--workers", type=int, default=8, choices=range(1, 65), metavar="N", help="threads")
    add("--retries", type=int, default=6, choices=range(30), metavar="N", help="of one request")
    add("--timeout", type=float, default=30.0, help="seconds")
    add("--backoff", type=float, default=1.0, help="seconds to the first retry, then doubled")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command line `argv`. Returns 0, 1 when a city is not complete, 130 on Ctrl-C."""
    args = parse_args(argv)
    token = os.environ.get("MAPILLARY_TOKEN", "").strip()
    args.token = token if token.isascii() and token.isprintable() else ""
    args.session, args.stop = requests.Session(), threading.Event()
    args.session.headers["Authorization"] = f"OAuth {args.token}"
    cities = args.cities or [c for c in CITIES if (args.root / "test" / c).is_dir()]
    try:
        done = rebuild_cities(args, list(dict.fromkeys(cities)))
        if args.zip and done:
            pack(args.zip, args.root, done)
        return int(len(done) < len(set(cities)))
    except (MetaError, InputError, OSError) as error:
        print(f"error: {shorten(str(error), 300)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the answers are kept, run again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
