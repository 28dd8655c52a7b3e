"""Output layers: scores of classes or predicted numbers from hidden states, and their losses."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recnn.settings import Task

HeadTask = Task | Literal["labels"]


class Head(nn.Module):
    """Linear output layer over hidden states, with its loss: s = W dropout(h) + b.

    The states may be those of all nodes, of the roots, of the last step or of every step.

    Args:
        input_size: size H of the hidden states.
        num_classes: number C of classes or labels; 1 for "binary"; for "regression" the number of values to predict.
        dropout: dropout probability of the hidden states.
        task: "classes": C classes, softmax cross entropy; "binary": one score, sigmoid cross entropy; "labels": any
            number of C labels, sigmoid cross entropy of each; "regression": C numbers, squared error. Default:
            "regression" if C is 1, else "classes".
        class_weights: weight of each class in the loss, (C,) for "classes", (2,) for "binary".
        ordinal: width τ of soft targets for classes on an ordered scale: the target of class y is the distribution
            q_c ∝ exp(-|c - y| / τ), so that a neighbouring class costs less than a distant one; 0 for none.

    Shapes:
        h: (N, H).
        scores: (N, C).
        target: (N,) class indices, -1 for none; for "labels" 0 or 1 (N, C), for "regression" numbers (N,) or (N, C),
            NaN for none.

    Raises:
        ValueError: an argument has a wrong value, or does not fit the task.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        input_size: int,
        num_classes: int = 1,
        dropout: float = 0.0,
        task: HeadTask | None = None,
        class_weights: Tensor | None = None,
        ordinal: float = 0.0,
    ) -> None:
        super().__init__()
        task = task or ("regression" if num_classes == 1 else "classes")
        if task not in ("classes", "binary", "labels", "regression"):
            raise ValueError(f"task must be 'classes', 'binary', 'labels' or 'regression', got {task!r}")
        if (task == "classes" and num_classes < 2) or (task == "binary" and num_classes != 1) or num_classes < 1:
            raise ValueError(
                "num_classes must be at least 2 for 'classes', 1 for 'binary' and at least 1 for other tasks, "
                f"got num_classes={num_classes} with task={task!r}"
            )
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be a probability, got {dropout!r}")
        if class_weights is not None:
            expected = {"classes": num_classes, "binary": 2}.get(task, 0)
            if not expected:
                raise ValueError(f"class_weights must be None with task={task!r}, which has no classes")
            if class_weights.shape != (expected,):
                raise ValueError(f"class_weights must have shape ({expected},), got {tuple(class_weights.shape)}")
        if not ordinal >= 0 or (ordinal and task != "classes"):
            raise ValueError(
                f"ordinal must be at least 0, and 0 unless task='classes', got {ordinal!r} with task={task!r}"
            )
        self.task: HeadTask = task
        self.ordinal = ordinal
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(input_size, num_classes)
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """Compute scores (N, C) from hidden states (N, H)."""
        scores: Tensor = self.linear(self.dropout(h))
        return scores

    def loss(self, scores: Tensor, target: Tensor, reduction: Literal["mean", "sum"] = "mean") -> Tensor:
        """Compute the loss over the nodes that have a target; 0 if none has.

        With ``class_weights`` the mean is weighted as in `torch.nn.CrossEntropyLoss`: the weighted sum over the nodes,
        divided by the sum of the weights of their classes.

        Args:
            scores: (N, C).
            target: see the class.
            reduction: "mean" over the nodes (for "labels" and "regression", over all entries), or "sum".
        """
        several = self.task in ("labels", "regression")
        if several:  # one row per entry
            scores, target = scores.reshape(-1, 1), target.reshape(-1)
        known = ~target.isnan() if several else target >= 0
        scores, target = scores[known], target[known]
        weight = torch.ones_like(scores[:, 0])
        if self.task == "classes":
            losses = F.cross_entropy(scores, self._distribution(target, scores), reduction="none")
        elif self.task in ("binary", "labels"):
            losses = F.binary_cross_entropy_with_logits(scores[:, 0], target.to(scores.dtype), reduction="none")
        else:
            losses = (scores[:, 0] - target).square()
        if self.class_weights is not None:
            weight = self.class_weights.to(scores.dtype)[target]
            losses = losses * weight
        total = losses.sum()
        return total if reduction == "sum" or not len(losses) else total / weight.sum()

    def _distribution(self, target: Tensor, scores: Tensor) -> Tensor:
        """(N,) target classes; or (N, C) target distributions for an ordered scale."""
        if not self.ordinal:
            return target
        scale = torch.arange(scores.shape[1], device=scores.device)
        return F.softmax(-(scale - target.unsqueeze(1)).abs() / self.ordinal, dim=1).to(scores.dtype)

    @torch.no_grad()
    def probabilities(self, scores: Tensor) -> Tensor:
        """Compute the probability of each class or label, (N, C), from scores; (N, 2) for "binary".

        Raises:
            ValueError: the task is "regression".
        """
        if self.task == "regression":
            raise ValueError("a regression has no probabilities")
        if self.task == "labels":
            return scores.sigmoid()
        return scores.softmax(1) if self.task == "classes" else torch.cat([-scores, scores], dim=1).sigmoid()


class Comparison(nn.Module):
    """Layer that compares two states: h_s = σ(W× (h_L ⊙ h_R) + W+ |h_L - h_R| + b_h), Tai et al. 2015, eq. 15.

    Args:
        input_size: size H of the states.
        hidden_size: size of h_s.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.product = nn.Linear(input_size, hidden_size)
        self.difference = nn.Linear(input_size, hidden_size, bias=False)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Compute h_s (B, hidden_size) from two states (B, H)."""
        return torch.sigmoid(self.product(left * right) + self.difference((left - right).abs()))


class PairHead(nn.Module):
    """Output layer for a class of two sentences: a `Head` over the comparison h_s of `RelatednessHead`.

    Args:
        input_size: size H of the states of the sentences.
        num_classes: number C of classes.
        hidden_size: size of h_s.
        dropout: dropout probability of h_s.
        class_weights: weight of each class in the loss, (C,).

    Shapes:
        left, right: (B, H).
        scores: (B, C).
    """

    def __init__(
        self,
        input_size: int,
        num_classes: int,
        hidden_size: int = 50,
        dropout: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.compare = Comparison(input_size, hidden_size)
        self.head = Head(hidden_size, num_classes, dropout, class_weights=class_weights)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Compute scores (B, C) from two states (B, H)."""
        scores: Tensor = self.head(self.compare(left, right))
        return scores

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """Compute the mean loss over the pairs, see `Head.loss`."""
        return self.head.loss(scores, target)


class RelatednessHead(nn.Module):
    """Output layer for the relatedness of two sentences, on a scale of 1 to K, from the states of their roots.

        h× = h_L ⊙ h_R,  h+ = |h_L - h_R|
        h_s = σ(W× h× + W+ h+ + b_h)
        p̂ = softmax(W_p h_s + b_p),  ŷ = rᵀ p̂,  r = (1, ..., K)

    The target of relatedness y is a distribution over the two nearest grades, with mean y: p_i = y - ⌊y⌋ at
    i = ⌊y⌋ + 1, and ⌊y⌋ - y + 1 at i = ⌊y⌋. The loss is KL(p ‖ p̂), averaged over the pairs.

    Tai, Socher and Manning, "Improved Semantic Representations From Tree-Structured Long Short-Term Memory Networks",
    ACL 2015, section 4.2, equations 15 to 17.

    Args:
        input_size: size H of the states of the sentences.
        hidden_size: size of h_s; 50 in the paper.
        grades: number K of grades, at least 2; 5 in the paper.
        dropout: dropout probability of h_s; 0 in the paper.

    Shapes:
        left, right: (B, H).
        log-probabilities: (B, K).
        y: (B,).

    Raises:
        ValueError: ``grades`` is less than 2.
    """

    def __init__(self, input_size: int, hidden_size: int = 50, grades: int = 5, dropout: float = 0.0) -> None:
        super().__init__()
        if grades < 2:
            raise ValueError(f"grades must be at least 2, got {grades}")
        self.compare = Comparison(input_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, grades)
        self.grades = grades

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Compute log p̂ (B, K) from two states (B, H)."""
        return F.log_softmax(self.output(self.dropout(self.compare(left, right))), dim=1)

    def score(self, log_probabilities: Tensor) -> Tensor:
        """Compute the predicted relatedness ŷ (B,) from log p̂ (B, K)."""
        return log_probabilities.exp() @ self._scale(log_probabilities)

    def distribution(self, y: Tensor) -> Tensor:
        """Compute the target distributions p (B, K) of relatedness y (B,).

        Raises:
            ValueError: an entry of y is not in 1..K.
        """
        wrong = ~((y >= 1) & (y <= self.grades))
        if wrong.any():
            raise ValueError(f"relatedness must be in 1..{self.grades}, got {y[wrong][0].item()}")
        # The paper's two cases in one: p_i = 1 - |i - y|, and 0 at grades that are 1 or more away.
        return (1 - (self._scale(y) - y.unsqueeze(1)).abs()).clamp(min=0)

    def loss(self, log_probabilities: Tensor, y: Tensor) -> Tensor:
        """Compute KL(p ‖ p̂) from log p̂ (B, K) and y (B,), averaged over the pairs."""
        return F.kl_div(log_probabilities, self.distribution(y.to(log_probabilities.dtype)), reduction="batchmean")

    def _scale(self, like: Tensor) -> Tensor:
        """(K,) r."""
        return torch.arange(1, self.grades + 1, dtype=like.dtype, device=like.device)
