"""What all stages share: parameter checks, temporary output folders, and short error messages."""

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

    The body writes into temporary folders. If it succeeds, their contents are moved to the output
    folders; if it fails, they are deleted. So a failed stage leaves no incomplete results.

    Parameters
    ----------
    *outputs : str
        The output folders of the stage.

    Yields
    ------
    Params, list of Path
        The checked parameters, and a temporary folder for each output.

    Raises
    ------
    SystemExit
        With exit code 1 and a message on standard error, for mistakes of the user, errors of the
        operating system, and interruption from the keyboard.
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
    """Move the contents of a temporary folder to the output folder; other files there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in done.iterdir():
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
