"""What the pacer decides does not depend on the order in which a process happens to hash: ids are often strings."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
from pacing import Pacer
from pacing.laws import realistic
from pacing.simulate import full_time, simulate

class Named:
    '''The pacer under calls and agents that are strings.'''
    def __init__(self):
        self.pacer = Pacer()
    def __getattr__(self, name):
        method = getattr(self.pacer, name)
        def say(*given):
            if name.startswith('call_'):
                given = (f'call {given[0]}', *given[1:])
            if name == 'call_connected':
                given = (given[0], f'agent {given[1]}', *given[2:])
            elif name.startswith(('agent_', 'talk_')):
                given = (f'agent {given[0]}', *given[1:])
            return method(*given)
        return say
    def decide(self, now):
        decision = self.pacer.decide(now)
        cancel = type(decision.cancel)(int(call.split()[1]) for call in decision.cancel)
        return decision.__class__(**{**{n: getattr(decision, n) for n in decision.__slots__}, 'cancel': cancel})

said = []
def note(now, decision):
    said.append((now, decision.place, decision.cancel))

simulate(Named(), realistic(0.3), full_time(8, 1200.0), 1200.0, 3, each=note)
print(len(said), sum(len(cancel) for _, _, cancel in said), said)
"""


def decisions(seed: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return ran.stdout


def test_decisions_do_not_depend_on_the_hashes_of_a_process() -> None:
    first = decisions("1")
    assert int(first.split()[0]) > 500
    assert int(first.split()[1]) > 0, "some calls are given up, too"
    assert decisions("2") == first
