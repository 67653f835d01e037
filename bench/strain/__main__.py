"""`make load`, or `python -m bench.strain`: what the installation stands, and what it costs.

Scenarios: sustained pushes, a herd at second :00, 100,000 of a million monitors silent at once, a
slow tenant, the cost of a round against size, an hour's soak. Each is run by `make up` on a data
directory of its own, durable, and cleared away afterwards; the curve runs the engine's functions.

--short is for small and busy machines: less of everything in four minutes, and only what must
never happen (a lost push, a false silence, an incident that does not open, connections without
bound) makes it fail. In full a figure that is owed and missed fails too, and the sections of
docs/performance.md are written. Every run leaves its figures as JSON in var/bench/.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from bench.facts import read_commit, read_processor
from bench.installation import made_bed
from bench.strain import curve, herd, mass_silence, slow_tenant, soak, sustained
from bench.strain.ground import FULL, SHORT, Say, Scale, made_ground
from bench.strain.page import PLOTS, as_json, publish, write_text
from bench.strain.verdict import Found
from bench.whole import Installation
from config.installation import PROJECT

RESULTS = PROJECT / "var" / "bench"
ON_INSTALLATION: dict[str, Callable[[Installation, Scale, Say], Found]] = {
    "sustained": sustained.run,
    "herd": herd.run,
    "tenant": slow_tenant.run,
    "silence": mass_silence.run,
    "soak": soak.run,
}
MANY_FILES = 65_536
SCENARIOS = (*ON_INSTALLATION, "curve")


def run_all(names: list[str], scale: Scale, parent: Path | None, say: Say) -> Generator[Found]:
    """Yield what each scenario found. In short form they share one installation."""
    booted = [name for name in names if name in ON_INSTALLATION]
    for group in [booted] if scale.is_short else [[name] for name in booted]:
        if not group:
            continue
        say(f"make up, for {', '.join(group)}")
        with made_ground(parent) as installation:
            for name in group:
                say(name)
                yield ON_INSTALLATION[name](installation, scale, say)
    if "curve" in names:
        say("curve")
        with made_bed(parent) as bed:
            # The same fall silent again and again, which to the mass guard is a wave.
            os.environ.update(bed.environment, MASS_GUARD_SECONDS="0")
            import django

            django.setup()
            yield curve.run(bed, scale, say)


def read_facts() -> dict[str, str]:
    """Return where and of what the figures are, in a few words each."""
    return {
        "command": " ".join(["python -m bench.strain", *sys.argv[1:]]),
        "commit": read_commit(),
        "taken": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": read_processor(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def main() -> int:
    """Run what the command line asks for; return 1 if something owed does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.strain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--short", action="store_true", help="less of everything, in 4 minutes")
    parser.add_argument("--on", type=Path, metavar="DIR", help="where the databases are to lie")
    parser.add_argument("--soak-seconds", type=float, metavar="N", help="how long the soak takes")
    parser.add_argument("--monitors", type=int, metavar="N", help="of the silence, and the curve")
    parser.add_argument("--silent", type=int, metavar="N", help="how many fall silent at once")
    parser.add_argument("--page", action="store_true", help="write docs/performance.md anyway")
    options = parser.parse_args()
    scale = _chosen_scale(options)
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:5.0f} s] {line}", flush=True)

    _allow_many_files()
    signal.signal(signal.SIGTERM, _end)  # so that what was started is stopped and cleared away
    RESULTS.mkdir(parents=True, exist_ok=True)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    all_sound, results = True, []
    facts = read_facts()
    with contextlib.closing(run_all(options.only, scale, options.on, say)) as founds:
        for found in founds:
            print(write_text(found), flush=True)
            all_sound &= found.is_sound(strictly=not scale.is_short)
            results.append({**as_json(found), "facts": facts})
            kept = RESULTS / f"load-{stamp}.json"
            kept.write_text(json.dumps(results, indent=2))
            if options.page or _is_whole(options):
                publish(found, facts)
                say(f"section {found.scenario} of docs/performance.md written")
            else:
                _keep_plots(found, RESULTS / "plots")
            facts = read_facts()
    print(f"Figures: {kept.relative_to(PROJECT)}; plots: {_plots_place(options)}")
    if not all_sound:
        print("Something that is owed does not hold: see MISSED and BROKEN above.")
    elif scale.is_short:
        print("Nothing that must hold on every machine is broken.")
    else:
        print("All that is owed holds.")
    return 0 if all_sound else 1


def _chosen_scale(options: argparse.Namespace) -> Scale:
    scale = SHORT if options.short else FULL
    if options.soak_seconds:
        scale = dataclasses.replace(scale, soak=options.soak_seconds)
    if options.silent:
        scale = dataclasses.replace(scale, silent=options.silent)
    if options.monitors:
        sizes = tuple(size for size in scale.curve_sizes if size < options.monitors)
        due = tuple(n for n in scale.curve_growing if n < options.monitors)
        scale = dataclasses.replace(
            scale,
            monitors=options.monitors,
            curve_sizes=(*sizes, options.monitors),
            curve_growing=due or scale.curve_growing,
        )
    return scale


def _is_whole(options: argparse.Namespace) -> bool:
    """Return whether the figures are those that docs/performance.md promises."""
    changed = options.soak_seconds or options.silent or options.monitors
    return not (options.short or changed)


def _plots_place(options: argparse.Namespace) -> Path:
    place = PLOTS if options.page or _is_whole(options) else RESULTS / "plots"
    return place.relative_to(PROJECT)


def _keep_plots(found: Found, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, (_, drawing) in found.plots.items():
        (place / f"{name}.svg").write_text(drawing)


def _allow_many_files() -> None:
    """Let this process and all that it starts hold a connection for each of a herd."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = MANY_FILES if most == resource.RLIM_INFINITY else min(most, MANY_FILES)
    if now != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, enough), most))


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
