"""Print settings in force: `python -m app.print_settings HOST PORT` writes one value a line.

Scripts ask here, so that nothing but the settings reads `.env`.
"""

import sys

from app.core.process import cli
from app.settings import Settings

cli.print_values(Settings.load(), sys.argv[1:])
