#!/usr/bin/env python3
"""Writes the constants of a configuration of spec/tla/configurations.toml as TLA+: `tlc.py NAME FOLDER`; or lists the
names of those that do not take long, or of those that do: `tlc.py --list [--long]`.

Learner graphs are understood here once more, by brute force over all sets of acceptors and without what small graphs do
not need: stakes, `overlap`, logs.
"""

import itertools
import sys
from pathlib import Path

try:
    import tomllib
except ImportError:  # before Python 3.11
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent


def read(path):
    with open(ROOT / path, "rb") as file:
        return tomllib.load(file)


def named(condition):
    """The acceptors that a condition names."""
    if isinstance(condition, str):
        return {condition}
    return set().union(*map(named, condition if isinstance(condition, list) else parts(condition)))


def parts(condition):
    [key] = condition.keys() & {"of", "all-of", "any-of"}
    return condition[key]


def holds(condition, names):
    """Whether a condition holds at a set of acceptors."""
    if isinstance(condition, str):
        return condition in names
    if isinstance(condition, list):
        return all(holds(part, names) for part in condition)
    count = sum(holds(part, names) for part in parts(condition))
    match [key for key in condition if key != "of"]:
        case ["at-least"]:
            return count >= condition["at-least"]
        case ["all-of"]:
            return count == len(parts(condition))
        case ["any-of"]:
            return count >= 1
        case _:
            sys.exit(f"tlc.py: not understood: {condition}")


def minimal(acceptors, holds_at):
    """The minimal sets at which something monotone holds."""
    found = []
    for size in range(len(acceptors) + 1):
        for names in map(frozenset, itertools.combinations(sorted(acceptors), size)):
            if holds_at(names) and not any(least < names for least in found):
                found.append(names)
    return found


def trust(graph):
    """Acceptors, minimal quorums, and edges with their minimal safe sets."""
    if "logs" in graph:
        sys.exit("tlc.py: graphs with logs are not understood")
    conditions = {name: learner["quorum"] for name, learner in graph["learners"].items()}
    acceptors = set().union(*map(named, conditions.values()))
    quorums = {
        name: minimal(acceptors, lambda names: holds(condition, names))
        for name, condition in conditions.items()
    }

    def largest(a, b):
        """Whatever meets every two quorums at once."""
        common = [x & y for x in quorums[a] for y in quorums[b]]
        return minimal(acceptors, lambda names: all(names & both for both in common))

    edges = {}
    for edge in graph.get("edges", []):
        (a, b), safe = edge["between"], edge["safe"]
        if safe == "overlap":
            sys.exit("tlc.py: `overlap` is not understood")
        edges[frozenset((a, b))] = (
            largest(a, b) if safe == "largest" else minimal(acceptors, lambda names: holds(safe, names))
        )
    # A self-edge is `overlap` by default where the quorum is a count, and then that is the same as `largest`.
    for name in quorums:
        edges.setdefault(frozenset((name,)), largest(name, name))
    return acceptors, quorums, edges


def text(name):
    return f'"{name}"'


def group(names):
    return "{" + ", ".join(map(text, sorted(names))) + "}"


def groups(sets):
    return "{" + ", ".join(sorted(map(group, sets))) + "}"


def function(pairs):
    return " @@ ".join(f"{text(key)} :> {value}" for key, value in pairs)


def main():
    configurations = read("spec/tla/configurations.toml")["configuration"]
    if sys.argv[1] == "--list":
        long = "--long" in sys.argv
        print("\n".join(one["name"] for one in configurations if one.get("long", False) == long))
        return
    name, folder = sys.argv[1:]
    [configuration] = [one for one in configurations if one["name"] == name] or [None]
    if configuration is None:
        sys.exit(f"tlc.py: no configuration is called {name}")
    acceptors, quorums, edges = trust(read(configuration["graph"]))
    constants = {
        "Acceptors": group(acceptors),
        "Learners": group(quorums),
        "Quorums": function((learner, groups(sets)) for learner, sets in quorums.items()),
        "Edges": "{" + ", ".join(
            f"[between |-> {group(between)}, safe |-> {groups(safe)}]" for between, safe in edges.items()
        ) + "}",
        "Sends": configuration["sends"],
        "Values": "<<" + ", ".join(map(text, configuration["values"])) + ">>",
        "Byzantine": group(configuration["byzantine"]),
        "ByzantineMax": configuration["messages"],
    }
    invariants = ["Agreement", "HonestAreNeverCaught", "HonestAreChains", "NothingIsPending"]
    lines = [
        "---- MODULE Configuration ----",
        f"\\* {name} of spec/tla/configurations.toml, generated",
        "EXTENDS HeterogeneousPaxos",
        *(f"Given{constant} == {value}" for constant, value in constants.items()),
        "====",
    ]
    (Path(folder) / "Configuration.tla").write_text("\n".join(lines) + "\n")
    lines = [
        "SPECIFICATION Spec",
        "CONSTANTS",
        *(f"    {constant} <- Given{constant}" for constant in constants),
        "INVARIANTS " + " ".join(invariants),
    ]
    (Path(folder) / "Configuration.cfg").write_text("\n".join(lines) + "\n")


main()
