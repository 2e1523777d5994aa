"""Start Majlis on this machine: `python run.py`. Settings come from the environment and `.env`."""

import sys

from launch.start import main

if __name__ == "__main__":
    sys.exit(main())
