"""Writes docs/performance.md from the reports of scripts/bench.sh: `performance.py RESULTS PAGE`. By hand nothing is written there."""

import json
import os
import pathlib
import platform
import subprocess
import sys
from datetime import datetime, timezone

results, page = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
reports = {file.stem: json.loads(file.read_text()) for file in results.glob("*.json")}
stored, shops = os.environ["STORED"], os.environ["SHOPS"]


def value(run, *keys):
    """A value of a report; None where there is none."""
    found = reports.get(run, {})
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def number(x, unit="", digits=0):
    return "–" if x is None else f"{x:,.{digits}f}{unit}"


def ratio(a, b):
    return a / b if a is not None and b else None


def percent(x):
    return "–" if x is None else f"{100 * x:.0f} %"


def cpu_each(run, what, whose="server_cpu_seconds"):
    """CPU in microseconds for each message or delivery."""
    seconds = ratio(value(run, whose), value(run, what))
    return None if seconds is None else 1e6 * seconds


def others(run):
    """How much of the machine others took."""
    took, seconds = value(run, "others_cpu_seconds"), value(run, "seconds")
    return None if took is None or not seconds else took / seconds / os.cpu_count()


def met(figure, wanted, at_most=False):
    if figure is None:
        return "–"
    return "yes" if (figure <= wanted if at_most else figure >= wanted) else "no"


rows = []


def row(run, what, figure, target, is_met, beside=""):
    bottleneck = " (generator)" if value(run, "generator", "was_bottleneck") else ""
    rows.append(f"| {what} | {figure}{bottleneck} | {beside} | {target} | {is_met} | {percent(others(run))} |")


for store, name, wanted in (("postgres", "PostgreSQL", 60_000), ("sqlite", "SQLite", 25_000)):
    run, rate = f"closed-{store}", value(f"closed-{store}", "acked_per_second")
    bare, batch = value(f"bare-{store}", "rows_per_second"), value(f"bare-{store}", "rows")
    share = ratio(rate, bare)
    row(run, f"acked and delivered messages a second, closed loop, {name}", number(rate), f"{wanted:,}", met(rate, wanted),
        f"{number(bare)} rows a second by the database alone, in batches of {number(batch)}")
    row(run, f"of what {name} takes alone", percent(share), "60 %", met(share, 0.6))
    cpu, database = value(run, "server_cpu_us_per_message"), cpu_each(run, "acked", "beside_cpu_seconds")
    is_postgres = store == "postgres"
    row(run, f"server CPU a message at full load, {name}", number(cpu, " µs", 1), "10 µs" if is_postgres else "",
        met(cpu, 10, True) if is_postgres else "", f"PostgreSQL and Redis {number(database, ' µs', 1)}" if is_postgres else "")
fanout = value("fanout", "delivered_per_second")
row("fanout", "deliveries a second, fan-out to 5 agents, waiting, PostgreSQL", number(fanout), "250,000", met(fanout, 250_000))
row("echo", "the same frames through a bare echo socket, one thread", number(value("echo", "acked_per_second")), "", "",
    f"{number(value('echo', 'server_cpu_us_per_message'), ' µs', 1)} of CPU each")
for store, name, slowest in (("postgres", "PostgreSQL", 15), ("sqlite", "SQLite", 30)):
    for kind, what in (("ack_ms", "ack"), ("delivery_ms", "delivery")):
        p50, p99 = value(f"open-{store}", kind, "p50"), value(f"open-{store}", kind, "p99")
        is_met = "–" if p50 is None else "yes" if p50 <= 2 and p99 <= slowest else "no"
        row(f"open-{store}", f"open loop at 10,000 a second, send to {what}, {name}",
            f"p50 {number(p50, ' ms', 2)}, p99 {number(p99, ' ms', 2)}", f"p50 2 ms, p99 {slowest} ms", is_met,
            f"p99.9 {number(value(f'open-{store}', kind, 'p99_9'), ' ms', 1)}; {number(value(f'open-{store}', 'acked_per_second'))} acked a second")
goodput = ratio(value("overload", "acked_per_second"), value("closed-postgres", "acked_per_second"))
row("overload", "goodput at three times the capacity, of the peak", percent(goodput), "90 %", met(goodput, 0.9),
    f"{number(value('overload', 'refused'))} refused, {number(value('overload', 'refused_without_time'))} of them without a time; "
    f"{number(value('overload', 'lost'))} lost")
recovery = value("overload", "recovery_seconds")
row("overload", "normal again after", number(recovery, " s", 2), "5 s", met(recovery, 5, True))
idle = value("storm", "resident_bytes_per_idle")
row("storm", "resident memory of an idle, logged-in connection", number(idle and idle / 1024, " KiB", 1), "16 KiB",
    met(idle, 16 * 1024, True), f"{number(value('storm', 'connections'))} connections")
storm = value("storm", "storm_seconds")
row("storm", "a storm of logins, all back after", number(storm, " s", 2), "5 s", met(storm, 5, True),
    f"login p50 {number(value('storm', 'login_ms', 'p50'), ' ms')}")
slowest = value("storm", "ack_ms", "max")
row("storm", "the slowest send elsewhere meanwhile", number(slowest, " ms"), "1 s", met(slowest, 1_000, True))
flush = value("flush", "login_ms", "max")
row("flush", "offline flush of 1,000 messages to one client, from its connection on", number(flush, " ms", 1), "50 ms",
    met(flush, 50, True))


def flat(what, few, many, quantity, unit=" µs"):
    """The cost of much beside that of little."""
    a, b = cpu_each(few, quantity), cpu_each(many, quantity)
    grown = ratio(b, a)
    row(many, f"server CPU {what}", f"{number(a, unit, 1)} → {number(b, unit, 1)}", "+20 %", met(grown, 1.2, True),
        f"{percent(grown)}; {percent(others(few))} of the machine to others in the first")


for store, name in (("postgres", "PostgreSQL"), ("sqlite", "SQLite")):
    few, many = f"stored-1000-{store}", f"stored-{stored}-{store}"
    flat(f"a message, 1,000 → {int(stored):,} stored, {name}", few, many, "acked")
    rate = ratio(value(many, "acked_per_second"), value(few, "acked_per_second"))
    row(many, f"acked messages a second, 1,000 → {int(stored):,} stored, {name}",
        f"{number(value(few, 'acked_per_second'))} → {number(value(many, 'acked_per_second'))}", "-20 %", met(rate, 0.8))
flat(f"a message, 10 → {int(shops):,} shops, 2,000 buyers", "shops-10", f"shops-{shops}", "acked")
flat("a delivery, 1 → 100 agents in a shop", "agents-1", "agents-100", "delivered")
slope = value("soak", "resident_bytes_per_minute")
files = value("soak", "descriptors")
row("soak", "a soak of 20 minutes with 200 connects a second: memory's slope", number(slope and slope / 1048576, " MiB a minute", 2),
    "1 MiB a minute", met(slope, 1048576, True), f"{files[0]:,} files open at first, {files[1]:,} at last" if files else "not run")

PLACES = {
    "closed-postgres": "closed loop, PostgreSQL",
    "open-postgres": "10,000 a second, PostgreSQL",
    "closed-sqlite": "closed loop, SQLite",
    "open-sqlite": "10,000 a second, SQLite",
}


def spent(run, part=None):
    """Processor time of a part for each message, in microseconds; of all parts without one."""
    parts, seconds, rate = value(f"where-{run}", "parts"), value(f"where-{run}", "seconds"), value(run, "acked_per_second")
    if not parts or not seconds or not rate or part not in (None, *parts):
        return None
    return 1e6 * (sum(parts.values()) if part is None else parts[part]) / seconds / rate


def line(what, figure):
    return f"| {what} | {' | '.join(number(figure(run), digits=1) for run in PLACES)} |"


parts = sorted({part for run in PLACES for part in value(f"where-{run}", "parts") or {}})
where = [line(part, lambda run, part=part: spent(run, part)) for part in parts]
where.append(line("all of it", spent))
where.append(line("what there is, at this rate", lambda run: ratio(1e6 * os.cpu_count(), value(run, "acked_per_second"))))
where.append(line("entries in a batch", lambda run: value(run, "batch_entries")))


def reach():
    """What the targets on throughput would take, from the figures above."""
    each, own, open_loop = spent("closed-postgres"), spent("closed-postgres", "load generator"), spent("open-postgres")
    if each is None or own is None or open_loop is None:
        return ""
    cores = os.cpu_count()
    return f"""
- **60,000 a second** leave {1e6 * cores / 60_000:.0f} µs of the processors for a message, of which the load generator takes {own:.0f}; everything
  else takes {each - own:.0f} in the closed loop.
- **10,000 a second in the open loop** leave {1e6 * cores / 10_000:.0f} µs, and {open_loop:.0f} are taken. Messages come one by one there: fewer frames share
  a read or a write, and a batch has fewer messages of one conversation, whose row is taken and written anew in each.
"""


FAULTS = ("lost", "doubled", "out_of_order", "holes", "views", "unfinished")
faults = {fault: sum(run.get(fault) or 0 for run in reports.values()) for fault in FAULTS}
acked = sum(run.get("acked") or 0 for run in reports.values())


def first(path, key):
    try:
        for line in open(path):
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    except OSError:
        return None


def said(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


memory = int((first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1048576
parts = (f"{os.cpu_count()} cores ({first('/proc/cpuinfo', 'model name') or platform.machine()})", f"{memory:.0f} GiB",
         f"{platform.system()} {platform.release()}", os.environ["POSTGRES"],
         " ".join(os.environ["REDIS"].split()[:3]), said("rustc", "--version"))
machine = ", ".join(parts)
changed = " and what was not yet committed" if said("git", "status", "--porcelain", "--untracked-files=no") else ""
commit = said("git", "rev-parse", "--short=10", "HEAD") + changed

warning = "**A short run, which shows that it works: its figures say nothing.**\n\n" if os.environ.get("SHORT") else ""

page.write_text(f"""# Performance

Written by `scripts/bench.sh` on {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, of commit {commit}. Nobody edits it: run the script.

{warning}The machine: {machine}. Server, database, Redis and load generator share it; the load generator stays on one core.
Texts of 200 bytes, durable before `ok`, every delivery acked by the client, search on. In the closed loop 200 buyers with 4 messages under way
each talk with 20 shops of one agent, claimed. "Others" is how much of the whole machine everybody else took meanwhile: above a few
per cent, a figure says little. "(generator)": the load generator had no core left, and the server can do more.

| what | figure | beside it, in the same run of the script | target | met | others |
| --- | ---: | --- | ---: | --- | ---: |
{chr(10).join(rows)}

In all these runs {acked:,} messages were acked in the measured time, and every message was judged: {', '.join(f"{count} {name.replace('_', ' ')}" for name, count in faults.items())}.

## Where the time goes

Processor time for each message in microseconds, in the midst of the runs above (`scripts/where.py`): by threads of the node, and by what
PostgreSQL's processes were last asked. The index for search may lag behind in a run; what it lacks is written afterwards.

| part | {' | '.join(PLACES.values())} |
| --- | {' | '.join('---:' for _ in PLACES)} |
{chr(10).join(where)}
{reach()}
The pieces one by one: `cargo bench --bench pieces` and `cargo bench --bench journal`. One run of one's own: `shopbell bench --help`, and
[operations.md](operations.md).
""")
