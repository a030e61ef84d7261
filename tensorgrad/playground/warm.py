"""Importing this loads what answering needs: the processes that answer are forked from one that has imported it.

All but egglog, which starts a thread when it is imported; after a fork it would wait for that thread forever.
"""

import sys
from importlib import import_module

from tensorgrad.rule import library

for _name in ("cost.search", "egraph.search", "numeric", "playground.answer", "runtime.torch_functions", "show"):
    import_module(f"tensorgrad.{_name}")
import_module("scipy.optimize")  # layouts are linear programs
library()
assert "egglog" not in sys.modules
