"""AdamW with per-variable learning-rate multipliers and an L2 penalty towards anchors (L2-SP)."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


class BlockwiseAdamW(keras.optimizers.AdamW):
    """AdamW (Loshchilov and Hutter, ICLR 2019) with per-variable learning-rate multipliers and L2-SP.

    A variable w with multiplier u and penalty strength ("pull") s takes AdamW's step at rate u * learning_rate on the
    gradient g + s * (w - anchor). Decoupled weight decay is scaled by u as well: at u = 0 the weights do not change by
    a bit, while Adam's moments are still updated. Multipliers, pulls and anchors can be set without compiling again.

    Args:
        learning_rate: at multiplier 1.
        weight_decay: decoupled; biases and the scales and shifts of normalization do not decay.
        pulled: whether variables have pulls and anchors at all; anchors take as much memory as the weights.
    """

    def __init__(self, learning_rate: float, weight_decay: float, pulled: bool = False) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay)
        self.pulled = pulled
        self.anchors: list[keras.Variable] = []

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Create the optimizer's state for these variables, in their order."""
        if self.built:
            return
        self.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        super().build(variables)
        self.multipliers = self.add_variable((len(variables),), name="multipliers")
        if self.pulled:
            self.pulls = self.add_variable((len(variables),), name="pulls")
            self.anchors = self.add_optimizer_variables(variables, "anchor")

    def restart(self, pulls: np.ndarray, anchored: np.ndarray) -> None:
        """Reset everything but the learning rate to the state before a first step, with every multiplier 1.

        Args:
            pulls: s of every variable, (variables,); all 0 unless the optimizer was made with `pulled`.
            anchored: whether a variable's anchor is its present value (True) or 0, (variables,) bool.
        """
        rate = float(ops.convert_to_numpy(self._get_current_learning_rate()))
        for variable in self.variables:
            variable.assign(ops.zeros(variable.shape, variable.dtype))
        self.learning_rate = rate
        self.multipliers.assign(np.ones(len(pulls), "float32"))
        if self.pulled:
            self.pulls.assign(pulls)
            for kept, anchor, present in zip(anchored, self.anchors, self._trainable_variables, strict=True):
                if kept:
                    anchor.assign(ops.copy(present))  # JAX would share the buffer, and refuse to donate it twice
        elif np.any(pulls):
            raise ValueError("This optimizer was made without pulls.")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; called by Keras inside the compiled training step."""
        index = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, variable.dtype) * ops.cast(self.multipliers[index], variable.dtype)
        if self.pulled:
            drift = ops.subtract(variable, self.anchors[index])
            gradient = gradient + ops.cast(self.pulls[index], variable.dtype) * drift
        if self._use_weight_decay(variable):
            self.assign_sub(variable, variable * ops.cast(self.weight_decay, variable.dtype) * rate)
        super().update_step(gradient, variable, rate)

    def _apply_weight_decay(self, variables: Any) -> None:
        """Do nothing: Keras would decay all variables at one rate, `update_step` uses theirs."""

    def torch_updates(self) -> Callable[[list[Any], float], None]:
        """`update_step` of all variables by PyTorch's list operations: a handful of kernels in place of thousands.

        Returns:
            A function (gradients, rate at multiplier 1) that changes weights and state in place. Multipliers are those
            of now.
        """
        import torch

        def tensors(variables: Sequence[keras.Variable]) -> list[Any]:
            return [variable.value.detach() for variable in variables]

        weights, moments, velocities = map(tensors, (self._trainable_variables, self._momentums, self._velocities))
        anchors, pulls = tensors(self.anchors), ops.convert_to_numpy(self.pulls).tolist() if self.pulled else []
        scales = ops.convert_to_numpy(self.multipliers).tolist()
        decays = [(self.weight_decay or 0.0) * self._use_weight_decay(v) for v in self._trainable_variables]
        count = int(ops.convert_to_numpy(self.iterations))

        @torch.no_grad()
        def update(gradients: list[Any], rate: float) -> None:
            nonlocal count
            count += 1
            self.iterations.assign(self.iterations + 1)
            if self.pulled:
                drifts = torch._foreach_mul(torch._foreach_sub(weights, anchors), pulls)
                gradients = torch._foreach_add(gradients, drifts)
            torch._foreach_mul_(weights, [1 - decay * rate * u for decay, u in zip(decays, scales, strict=True)])
            torch._foreach_lerp_(moments, gradients, 1 - self.beta_1)
            torch._foreach_mul_(velocities, self.beta_2)
            torch._foreach_addcmul_(velocities, gradients, gradients, 1 - self.beta_2)
            roots = torch._foreach_add(torch._foreach_sqrt(velocities), self.epsilon)
            alpha = rate * (1 - self.beta_2**count) ** 0.5 / (1 - self.beta_1**count)
            torch._foreach_addcdiv_(weights, moments, roots, [-alpha * u for u in scales])

        return update
