"""How many theorems of a file are proved: `python tests/scoreboard.py FILE=MINIMUM ...`; exit 1 below a minimum.

None may be refuted, and no line may fail to be read.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter


def main(arguments: list[str]) -> int:
    failed = False
    for argument in arguments:
        path, _, minimum = argument.partition("=")
        command = [sys.executable, "-m", "tensorgrad", "prove", path, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.stdout:
            print(done.stderr)
            return 1
        rows = json.loads(done.stdout)
        count = Counter(row["status"] for row in rows)
        print(f"{path}: {count['proved']} of {len(rows)} proved (at least {minimum or 0} wanted), {dict(count)}")
        print(*(f"  {row['status']}: {row['name']}" for row in rows if row["status"] != "proved"), sep="\n")
        failed |= count["proved"] < int(minimum or 0) or bool(count["refuted"] or count["error"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
