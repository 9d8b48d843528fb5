"""Stage page: everything that was made, to see, to hear and to compare, in one page."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.page.build import write_page
from ostinato.page.run import Run

with stage("results/page") as (params, [out]):
    write_page(out, [Run("this run", Path())])
