#!/usr/bin/env python3
"""Checks the crates in Cargo.lock against deny.toml: their licences, what is banned, and where they come from. This is the moment's version of
what cargo-deny does, which looks into the texts of licences too, and takes minutes to compile: `./test.sh --long` has that."""

import json
import re
import subprocess
import sys
import tomllib

with open("deny.toml", "rb") as file:
    deny = tomllib.load(file)
allowed = set(deny["licenses"]["allow"])
banned = {ban["name"] for ban in deny["bans"]["deny"]}


def is_allowed(expression):
    """Whether one of the ways that a licence expression offers (SPDX, annex D) needs nothing but what is allowed."""
    terms = re.findall(r"[()]|\b(?:AND|OR)\b|[\w.+-]+(?: WITH [\w.+-]+)?", expression.replace("/", " OR "))
    python = {"(": "(", ")": ")", "AND": " and ", "OR": " or "}
    return eval("".join(python.get(term) or str(term in allowed) for term in terms))


command = ["cargo", "metadata", "--locked", "--format-version", "1", "--all-features"]
for target in deny["graph"]["targets"]:
    command += ["--filter-platform", target["triple"]]
metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
own = set(metadata["workspace_members"])
faults = []
for package in metadata["packages"]:
    name, licence, source = package["name"], package["license"], package["source"] or ""
    if not licence and package["id"] not in own:
        faults.append(f"{name}: no licence is named")
    elif licence and not is_allowed(licence):
        faults.append(f"{name}: {licence}")
    if name in banned:
        faults.append(f"{name} is banned")
    if package["id"] not in own and not source.startswith("registry+"):
        faults.append(f"{name} comes from {source or 'a path'}")
print("\n".join(faults) or f"{len(metadata['packages'])} packages are as deny.toml wants them")
sys.exit(bool(faults))
