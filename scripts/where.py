"""Where processor time goes while a run of `shopbell bench` is measured: `where.py URL POSTMASTER REDIS START SECONDS`, beside the run on that
database, prints seconds of each part as JSON. The server's threads have names; PostgreSQL's processes are told apart by what they were last asked."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

url, postmaster, redis = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
start, seconds = float(sys.argv[4]), float(sys.argv[5])
TICK = os.sysconf("SC_CLK_TCK")
#: What a process does, by what is in its last statement (of which the first 1,024 characters are to be seen); to begin or to end a
#: transaction says nothing. Whoever is seen at messages does nothing else.
MESSAGES = "messages"
ASKED = (
    (MESSAGES, ("WITH s0",)),
    ("index for search", ("search_", "gin_clean")),
    ("places of events", ("outbox", "event_positions", "INSERT INTO events", "727076")),
)
NOTHING = ("BEGIN", "COMMIT", "ROLLBACK")


def text(path):
    try:
        return pathlib.Path(path).read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def fields(path):
    """Name, parent and CPU seconds of a process or thread."""
    stat = text(path)
    name, rest = stat[stat.find("(") + 1 : stat.rfind(")")], stat[stat.rfind(")") + 2 :].split()
    return (name, int(rest[1]), (int(rest[11]) + int(rest[12])) / TICK) if rest else ("", 0, 0.0)


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def server_and_generator():
    """The server that the run on `url` has started, and the run; ends this program where none comes."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for pid in processes():
            if " serve " in text(f"/proc/{pid}/cmdline") + " ":
                parent = fields(f"/proc/{pid}/stat")[1]
                if url in text(f"/proc/{parent}/cmdline"):
                    return pid, parent
        time.sleep(0.1)
    print("{}")
    sys.exit()


def threads(pid):
    """Name and CPU seconds of each thread; ends this program where the process has ended, as in a run of a moment."""
    try:
        every = {int(task): fields(f"/proc/{pid}/task/{task}/stat") for task in os.listdir(f"/proc/{pid}/task")}
    except FileNotFoundError:
        print("{}")
        sys.exit()
    return {task: (name, cpu) for task, (name, _, cpu) in every.items()}


def backends():
    return {pid: cpu for pid in processes() for _, parent, cpu in [fields(f"/proc/{pid}/stat")] if parent == postmaster}


def asked():
    """What each process of PostgreSQL was last asked."""
    query = "SELECT pid, replace(query, E'\\n', ' ') FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    done = subprocess.run(["psql", "-At", "-F", "\t", url, "-c", query], capture_output=True, text=True, check=False)
    rows = [line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line]
    return [(int(pid), query) for pid, query in rows if not query.startswith(NOTHING)]


def kind(query):
    return next((what for what, signs in ASKED if any(sign in query for sign in signs)), "everything else")


def part(thread, lanes):
    if thread.startswith("journal-"):
        # The last one is that of jobs, where there are several.
        return "index and events" if lanes > 1 and thread == f"journal-{lanes - 1}" else "journal"
    return "sockets and actors" if thread.startswith(("actix", "shopbell")) else "everything else"


def look():
    return threads(server), backends(), fields(f"/proc/{redis}/stat")[2], fields(f"/proc/{generator}/stat")[2]


server, generator = server_and_generator()
time.sleep(start)
kinds, began, before = collections.defaultdict(collections.Counter), time.monotonic(), look()
while (left := began + seconds - time.monotonic()) > 0:
    for pid, query in asked() if url.startswith("postgres") else ():
        kinds[pid][kind(query)] += 1
    time.sleep(min(0.25, left))
after, took = look(), time.monotonic() - began

parts = collections.Counter()
lanes = sum(name.startswith("journal-") for name, _ in after[0].values())
for thread, (name, cpu) in after[0].items():
    parts[f"node: {part(name, lanes)}"] += cpu - before[0].get(thread, ("", 0.0))[1]
for pid, cpu in after[1].items() if url.startswith("postgres") else ():
    # One connection may do several things: its time is divided by what it was seen at.
    shares = kinds.get(pid) or {"everything else": 1}
    shares = {MESSAGES: 1} if MESSAGES in shares else shares
    for what, seen in shares.items():
        parts[f"PostgreSQL: {what}"] += (cpu - before[1].get(pid, 0.0)) * seen / sum(shares.values())
parts["Redis"] = after[2] - before[2]
parts["load generator"] = after[3] - before[3]
print(json.dumps({"seconds": took, "parts": parts}))
