"""New data, same structure: a forecast in a new process on a machine that has fitted such models before."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench import QUIET, SEED, Bench, answer, gate
from benchmarks.result import Gate, Result, Target, measured, within
from benchmarks.timing import Run, alternate, ratios

NAME, JOB = "warm", "new data, same model structure (new process, 3 outcomes)"
SHARE = 1 / 3
_PEERS = 3  # rounds against those that compile for most of a minute


def measure(bench: Bench) -> Result:
    """Measure the row."""
    fits: list[Path] = []
    gates: dict[str, list[Gate]] = {"pymc": [], "nutpie": []}
    bench.job  # noqa: B018  # whatever is kept between processes is there now
    # Round 0 is not counted: it fills what the peers keep.
    rounds = range(bench.repeats + 1)
    jobs = [bench.new_job(f"warm{turn}", SEED + 1 + turn) for turn in rounds]
    files = [job.config.with_name("statistics.pickle") for job in jobs]
    for job, file in zip(jobs, files, strict=True):
        bench.call("plain:statistics", config=str(job.config), file=str(file))

    def sim(turn: int, folder: str, *options: str) -> Run:
        out = jobs[turn].out.with_name(folder)
        run = bench.sim("forecast", jobs[turn].config, "--out", out, *options)
        answer(run)
        fits.append(out / ".fits")
        return run

    def plain(which: str, turn: int) -> Run:
        told, run = bench.call(f"plain:{which}", file=str(files[turn]))
        gates[which].append(Gate(**told))
        return run

    ways = {
        "sim": lambda turn: sim(turn, "out", QUIET),
        "pymc": lambda turn: plain("pymc", turn),
        "nutpie": lambda turn: plain("nutpie", turn),
        "plots": lambda turn: sim(turn, "plots"),
    }
    pairs = bench.size(_PEERS, 1)
    runs = {who: found[1:] for who, found in alternate(ways, pairs + 1).items()}
    seconds = {who: [run.seconds for run in found] for who, found in runs.items()}
    runs["sim"] += [ways["sim"](turn) for turn in rounds[pairs + 1 :]]
    own = measured("sim", "whole process, no plots", runs["sim"])
    against = {who: ratios(seconds["sim"], seconds[who]) for who in ("pymc", "nutpie")}
    measures = [
        own,
        measured("sim", "whole process, with plots", runs["plots"]),
        measured("pm.sample", "three models one after the other, process until the last draw", runs["pymc"]),
        measured("nutpie", "the same by nutpie's own functions", runs["nutpie"]),
    ]
    told, low, high = against["pymc"]
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "the whole forecast of tables that it has not seen: read, fit, judge, simulate, write",
            "pm.sample": "build the same three PyMC models of the same statistics and "
            '`pm.sample(nuts_sampler="nutpie")` them, 4 × (1000 + 1000) at target acceptance 0.95; reads no '
            "table and writes no file",
            "nutpie": "the same by `nutpie.compile_pymc_model` and `nutpie.sample`; no diagnostics",
        },
        measures=measures,
        targets=[
            within("whole process", own, 4.0),
            Target("share of pm.sample's time", told, SHARE, "×", low=low, high=high),
        ],
        gates=[gate("sim", fits), _worst("pm.sample", gates["pymc"]), _worst("nutpie", gates["nutpie"])],
        notes=["share of plain nutpie's time: {:.2f} ({:.2f} … {:.2f})".format(*against["nutpie"])],
    )


def _worst(who: str, gates: list[Gate]) -> Gate:
    return Gate(
        who,
        sum(one.fits for one in gates),
        max(one.rhat for one in gates),
        min(one.ess for one in gates),
        sum(one.divergences for one in gates),
    )
