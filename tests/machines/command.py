"""laden's command with runs and batches so small that a small dataset is many of them.

`python -m tests.machines.command load SOURCE DEST --share 2/3`
"""

from laden.cli import main
from laden.stages.engine import spreading
from laden.stages.plan import dealing

if __name__ == "__main__":
    dealing.RUN_BYTES = 200_000
    spreading.LEAST_BATCH_BYTES = 300_000
    main()
