"""What every stage does: check the parameters, work in temporary folders, fail in one line."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ostinato.core.errors import UserError
from ostinato.core.params import Params, read_params


@contextmanager
def stage(*outputs: str) -> Iterator[tuple[Params, list[Path]]]:
    """Run the body of a stage.

    The body writes into temporary folders; they get their names when it ends well and are removed
    when it does not, so a folder that stands is complete.

    Parameters
    ----------
    *outputs : str
        The folders that the stage writes.

    Yields
    ------
    Params, list of Path
        The checked parameters, and a temporary folder for each output.

    Raises
    ------
    SystemExit
        With code 1 after one line on standard error, when the user or the system is at fault.
    """
    folders = [Path(output) for output in outputs]
    temporary = [folder.with_name(f".{folder.name}.tmp") for folder in folders]
    try:
        params = read_params(Path("params.yaml"))
        for folder in temporary:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        yield params, temporary
        for done, folder in zip(temporary, folders, strict=True):
            _replace(done, folder)
    except UserError as error:
        sys.exit(str(error))
    except OSError as error:
        where = error.filename or ", ".join(outputs)
        sys.exit(f"{where}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("stopped")
    finally:
        for folder in temporary:
            shutil.rmtree(folder, ignore_errors=True)


def _replace(done: Path, folder: Path) -> None:
    """Move the files of a finished folder to their place; what lies there of others stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in done.iterdir():
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
