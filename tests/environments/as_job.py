"""Run one script as a job in an environment with its own packages only, without Snakemake.

python -I as_job.py PROJECT SCRIPT JOB, where JOB is a pickle of plain values (see isolated.py)
"""

import pickle
import runpy
import sys
from types import SimpleNamespace


class Named(list):
    """A script's view of a rule's files or parameters: a list with names for some entries."""

    def __init__(self, values, names):
        super().__init__(values)
        self._names = names
        for name, value in names.items():
            setattr(self, name, value)

    def __getitem__(self, key):
        return self._names[key] if isinstance(key, str) else super().__getitem__(key)

    def items(self):
        return self._names.items()

    def get(self, name, default=None):
        return self._names.get(name, default)


if __name__ == "__main__":
    project, script, path = sys.argv[1:]
    with open(path, "rb") as file:
        given = pickle.load(file)
    sections = {
        key: Named(*value) if isinstance(value, tuple) else value for key, value in given.items()
    }
    job = SimpleNamespace(**sections)
    sys.path.insert(0, project)
    runpy.run_path(script, init_globals={"snakemake": job}, run_name="__main__")
