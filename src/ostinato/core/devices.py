"""The device that computes, and how PyTorch is set up on it."""

import ctypes
import os
import platform

import torch
from threadpoolctl import threadpool_limits
from torch import nn

from ostinato.core import ranks
from ostinato.core.errors import UserError
from ostinato.core.schema import Device


def prepare(threads: int, seed: int, device: Device = "cpu", double: bool = False) -> torch.device:
    """Set up PyTorch so that the same seed gives the same bytes on the same device.

    Parameters
    ----------
    threads : int
        The number of threads of an operation on the CPU. Another number rounds differently.
    seed : int
        The seed for the initial weights.
    device : Device
        ``"auto"`` is a CUDA GPU if there is one, otherwise the CPU.
    double : bool
        Whether something is computed in double precision: on the CPU, if the device has none.

    Returns
    -------
    torch.device

    Raises
    ------
    UserError
        When there is no such device.
    """
    torch.set_num_threads(threads)
    # NumPy's products take as many as there are cores, which differ from machine to machine.
    threadpool_limits(threads, user_api="blas")
    # Without this, CUDA's matrix products are not deterministic.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Deterministic mode would also fill every new tensor, which takes a sixth of the training time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.manual_seed(seed)
    keep_freed_memory()
    found = chosen(device, double)
    # As `use_deterministic_algorithms`, which takes a second to import the compiler. On a GPU, some
    # operations of the models can only be computed in an order that varies.
    torch.set_deterministic_debug_mode("error" if found.type == "cpu" else "warn")
    if found.type == "cuda":
        # Products in TensorFloat-32: ten bits of mantissa are more than bfloat16 has.
        torch.set_float32_matmul_precision("high")
    return found


def chosen(name: Device, double: bool = False) -> torch.device:
    """Find a device by its name; see `prepare`.

    Each process of a training on a machine has a GPU of its own.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = "cuda" if there["cuda"] else "cpu"
    if not there[name]:
        raise UserError(f"device: there is no {name} here that PyTorch can use; choose auto or cpu")
    if double and name == "mps":
        name = "cpu"
    return torch.device(name, ranks.local()) if name == "cuda" else torch.device(name)


def device_of(module: nn.Module) -> torch.device:
    """Find the device that the weights of a module are on; the CPU if it has none."""
    return next(module.parameters(), torch.empty(0)).device


def computes_bfloat16(device: str, precision: str) -> bool:
    """Decide whether a training computes in bfloat16.

    Parameters
    ----------
    device : str
        The type of the device, such as ``"cpu"``.
    precision : str
        ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 if the device has instructions for
        it, otherwise float32.

    Raises
    ------
    UserError
        When bfloat16 is requested and the device cannot run an LSTM in it.
    """
    if device == "cpu":
        able = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        fast = able and (
            platform.machine() not in ("x86_64", "AMD64")
            or torch.cpu._is_avx512_bf16_supported()
            or torch.cpu._is_amx_tile_supported()
        )
    else:
        able = fast = False  # autocast gives LSTMs on CUDA float16, whatever it is asked for
    if precision == "bfloat16" and not able:
        raise UserError(
            "training.precision is bfloat16, which this processor cannot compute LSTMs in; "
            "choose auto or float32"
        )
    return precision == "bfloat16" or (precision == "auto" and fast)


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next step.

    Otherwise glibc returns the memory of every large tensor to the system when it is freed, and
    each training step spends a third of its time on page faults.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
