"""The devices that the user may name."""

from __future__ import annotations

from benchmark.errors import UserError


def chosen(device: str | None, option: str = "--device") -> str:
    """The device to embed on: `device`, or the GPU where there is one.

    Raises
    ------
    UserError
        See `available`.
    """
    import torch

    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return available(device, option)


def available(device: str, option: str) -> str:
    """`device`, if it is on this machine.

    Raises
    ------
    UserError
        It is not; the message names `option`.
    """
    import torch

    kind = device.partition(":")[0]
    if kind != "cpu" and not (kind == "cuda" and torch.cuda.is_available()):
        raise UserError(f"{option} {device}: not available here; expected cpu or cuda[:N]")
    return device
