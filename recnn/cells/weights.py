"""Weights of a module that are attributes of another module, as those of the cells of a `recnn.LSTM` are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn


class Borrower(nn.Module):
    """Module whose weights can be attributes of another module, its owner, under other names.

    They are looked up in the owner at each use, so they may be parameters, plain tensors or computed, as they are with
    weight normalisation, pruning or `torch.func.functional_call` of the owner. Assignments go to the owner.
    """

    _owner: nn.Module | None = None
    _borrowed: Mapping[str, tuple[str, torch.Size]] = {}  # name here: name in the owner, and shape

    def borrow(self, owner: nn.Module, names: Mapping[str, str]) -> None:
        """Remove the parameters that ``names`` lists and use attributes of ``owner`` in their place.

        Args:
            owner: module that has the weights, now or later; it is not made a submodule.
            names: for the name of each parameter, the name of the owner's attribute.
        """
        shapes = {name: self._parameters.pop(name).shape for name in names}  # type: ignore[union-attr]
        self.__dict__["_borrowed"] = {name: (theirs, shapes[name]) for name, theirs in names.items()}
        self.borrow_from(owner)

    def borrow_from(self, owner: nn.Module) -> None:
        """Use the attributes of ``owner``, a copy of the present owner."""
        self.__dict__["_owner"] = owner  # `nn.Module.__setattr__` would make it a submodule

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Iterate over names and values of this module's own parameters and of its borrowed and computed weights."""
        yield from ((name, weight) for name, weight in self._parameters.items() if weight is not None)
        for name in (*self._borrowed, *_parametrized(self)):
            if (weight := getattr(self, name, None)) is not None:
                yield name, weight

    def any_weight(self) -> Tensor | None:
        """A weight of this module or of one in it, for its dtype and device; None if there is none."""
        found = next(self.parameters(), None)
        if found is not None:
            return found
        own = (module for module in self.modules() if isinstance(module, Borrower))
        return next((weight for module in own for _, weight in module.weights()), None)

    def compute_weights(self) -> None:
        """Compute the weights that `torch.nn.utils` computes in hooks: `weight_norm`, `spectral_norm` and pruning.

        Hooks run when a module is called, but `recnn.Encoder` calls the methods of its cells.
        """
        for hook in self._forward_pre_hooks.values():
            if type(hook).__module__.startswith("torch.nn.utils."):
                hook(self, ())

    def with_weights(self, values: Mapping[str, Tensor | None]) -> Self:
        """Return a shallow copy with other tensors as its weights; those not in ``values`` are as they are now.

        Raises:
            RuntimeError: a borrowed weight has another shape than the module needs.
        """
        computed = _parametrized(self)
        kind = type(self).__mro__[1] if computed else type(self)  # parametrizations are properties of a subclass
        made: Self = object.__new__(kind)
        state = {**self.__dict__, "_borrowed": {}, "_owner": None}
        state.update((name, getattr(self, name)) for name in computed)
        parameters = {} if self._owner is None else self._owner._parameters  # quicker than `getattr`
        for name, (theirs, shape) in self._borrowed.items():
            weight = parameters[theirs] if theirs in parameters else getattr(self._owner, theirs)
            if weight is not None and weight.shape != shape:
                raise RuntimeError(f"{theirs} must be a tensor of {tuple(shape)}, got {tuple(weight.shape)}")
            state[name] = weight
        if computed:
            state["_modules"] = {name: one for name, one in self._modules.items() if name != "parametrizations"}
        if values:
            state["_parameters"] = {name: one for name, one in self._parameters.items() if name not in values}
        made.__dict__.update(state, **values)
        return made

    @property
    def has_fixed_weights(self) -> bool:
        """True if the weights are parameters of this module; False if some are borrowed or computed."""
        return not self._borrowed and not _parametrized(self)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Iterate over the parameters, also borrowed ones; those of an owner in this module are not repeated."""
        seen = set()
        for name, parameter in super().named_parameters(prefix, recurse, remove_duplicate):
            seen.add(parameter)
            yield name, parameter
        for path, module in self.named_modules(prefix=prefix) if recurse else [(prefix, self)]:
            for name in module._borrowed if isinstance(module, Borrower) else ():
                weight = getattr(module, name, None)
                if isinstance(weight, nn.Parameter) and weight not in seen:
                    seen.add(weight)
                    yield f"{path}.{name}" if path else name, weight

    def state_dict(self, *args: Any, destination: Any = None, **options: Any) -> Any:
        """Return the state dict; with borrowed parameters, unless it is part of that of a module around this one."""
        if destination is not None:
            return super().state_dict(*args, destination=destination, **options)
        with self._with_parameters():
            return super().state_dict(*args, **options)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **options: Any) -> Any:
        """Load a state dict with borrowed parameters, as that of `state_dict`."""
        with self._with_parameters():
            return super().load_state_dict(state_dict, *args, **options)

    @contextmanager
    def _with_parameters(self) -> Iterator[None]:
        """Context manager in which borrowed parameters are parameters of the modules that borrow them."""
        modules = list(self.modules())
        lent = [
            (module, name, parameter)
            for module in modules
            if isinstance(module, Borrower) and module._owner not in modules
            for name in module._borrowed
            if isinstance(parameter := getattr(module, name, None), nn.Parameter)
        ]
        for module, name, parameter in lent:
            module._parameters[name] = parameter
        try:
            yield
        finally:
            for module, name, parameter in lent:
                if (loaded := module._parameters.pop(name)) is not parameter:
                    setattr(module, name, loaded)

    def __getattr__(self, name: str) -> Any:
        if name in self._borrowed:
            return getattr(self._owner, self._borrowed[name][0])
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._borrowed:
            setattr(self._owner, self._borrowed[name][0], value)
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._borrowed:
            delattr(self._owner, self._borrowed[name][0])
        else:
            super().__delattr__(name)


def _parametrized(module: nn.Module) -> tuple[str, ...]:
    """Names of the weights that `torch.nn.utils.parametrize` computes."""
    found = module._modules.get("parametrizations")
    return () if found is None else tuple(found._modules)
