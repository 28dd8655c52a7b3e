"""From states to answers: scores, and the loss against the targets that there are."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recnn.settings import Task


class Head(nn.Module):
    """One linear layer over the state of a node: s = W dropout(h) + b.

    What it is put on is the caller's matter: all nodes, the roots, the last step or every step.

    Args:
        input_size: H.
        num_classes: C; 1 for "binary", for "regression" the numbers of an answer.
        dropout: the probability of an entry of h to be dropped.
        task: "classes", with the cross entropy of a softmax over C classes as its loss; "binary", one score with the
            cross entropy of its sigmoid; or "regression", numbers with the squared error. By default "classes", or
            "regression" if C is 1.
        class_weights: (C,) for "classes", (2,) for "binary": what an error on a node of each class counts.
        ordinal: τ, if not 0, of classes on an ordered scale: the target of class y is q_c ∝ exp(-|c - y| / τ), for a
            neighbour is less wrong than what is far off.

    Shapes:
        h: (N, H).
        scores: (N, C).
        target: (N,), class numbers, -1 where there is none; for "regression" numbers, (N,) or (N, C), NaN where there
            is none.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        input_size: int,
        num_classes: int = 1,
        dropout: float = 0.0,
        task: Task | None = None,
        class_weights: Tensor | None = None,
        ordinal: float = 0.0,
    ) -> None:
        super().__init__()
        task = task or ("regression" if num_classes == 1 else "classes")
        if task not in ("classes", "binary", "regression"):
            raise ValueError(f"task must be 'classes', 'binary' or 'regression', got {task!r}")
        if (task == "classes" and num_classes < 2) or (task == "binary" and num_classes != 1) or num_classes < 1:
            raise ValueError(f"task={task!r} does not go with num_classes={num_classes}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be a probability, got {dropout!r}")
        if class_weights is not None:
            expected = {"classes": num_classes, "binary": 2, "regression": 0}[task]
            if not expected:
                raise ValueError("class_weights: a regression has no classes")
            if class_weights.shape != (expected,):
                raise ValueError(f"class_weights must be ({expected},), got {tuple(class_weights.shape)}")
        if not ordinal >= 0 or (ordinal and task != "classes"):
            raise ValueError(f"ordinal must be at least 0, and takes task='classes'; got {ordinal!r}")
        self.task: Task = task
        self.ordinal = ordinal
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(input_size, num_classes)
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """(N, H) to scores (N, C)."""
        scores: Tensor = self.linear(self.dropout(h))
        return scores

    def loss(self, scores: Tensor, target: Tensor, reduction: Literal["mean", "sum"] = "mean") -> Tensor:
        """The loss over the nodes that have a target; 0 if none has.

        Its mean is weighted as torch's: the sum over the nodes by the sum of the weights of their classes.
        """
        if self.task == "regression":  # each number by itself
            scores, target = scores.reshape(-1, 1), target.reshape(-1)
        known = ~target.isnan() if self.task == "regression" else target >= 0
        scores, target = scores[known], target[known]
        weight = torch.ones_like(scores[:, 0])
        if self.task == "classes":
            losses = F.cross_entropy(scores, self._distribution(target, scores), reduction="none")
        elif self.task == "binary":
            losses = F.binary_cross_entropy_with_logits(scores[:, 0], target.to(scores.dtype), reduction="none")
        else:
            losses = (scores[:, 0] - target).square()
        if self.class_weights is not None:
            weight = self.class_weights.to(scores.dtype)[target]
            losses = losses * weight
        total = losses.sum()
        return total if reduction == "sum" or not len(losses) else total / weight.sum()

    def _distribution(self, target: Tensor, scores: Tensor) -> Tensor:
        """(N,) classes; or (N, C) what of its target each class has, if the classes are ordered."""
        if not self.ordinal:
            return target
        scale = torch.arange(scores.shape[1], device=scores.device)
        return F.softmax(-(scale - target.unsqueeze(1)).abs() / self.ordinal, dim=1).to(scores.dtype)

    @torch.no_grad()
    def probabilities(self, scores: Tensor) -> Tensor:
        """(N, C) the probability of each class; (N, 2) for "binary".

        Raises:
            ValueError: a regression has none.
        """
        if self.task == "regression":
            raise ValueError("a regression has no probabilities")
        return scores.softmax(1) if self.task == "classes" else torch.cat([-scores, scores], dim=1).sigmoid()


class Comparison(nn.Module):
    """How two states differ: h_s = σ(W× (h_L ⊙ h_R) + W+ |h_L - h_R| + b_h), Tai et al. 2015, eq. 15."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.product = nn.Linear(input_size, hidden_size)
        self.difference = nn.Linear(input_size, hidden_size, bias=False)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Two states (B, H) to (B, hidden_size)."""
        return torch.sigmoid(self.product(left * right) + self.difference((left - right).abs()))


class PairHead(nn.Module):
    """One of C classes for two sentences: a `Head` over the comparison h_s of `RelatednessHead`.

    Args:
        input_size: H.
        num_classes: C.
        hidden_size: of h_s.
        dropout, class_weights: as for `Head`.

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
        """Two states (B, H) to scores (B, C)."""
        scores: Tensor = self.head(self.compare(left, right))
        return scores

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """As `Head.loss`."""
        return self.head.loss(scores, target)


class RelatednessHead(nn.Module):
    """How related two sentences are, on a scale of 1 to K, from the states of their roots.

        h× = h_L ⊙ h_R,  h+ = |h_L - h_R|
        h_s = σ(W× h× + W+ h+ + b_h)
        p̂ = softmax(W_p h_s + b_p),  ŷ = rᵀ p̂,  r = (1, ..., K)

    The target y becomes a distribution on the two grades beside it, with mean y: p_i = y - ⌊y⌋ at i = ⌊y⌋ + 1, and
    ⌊y⌋ - y + 1 at i = ⌊y⌋. The loss is KL(p ‖ p̂), its mean over the pairs.

    Tai, Socher and Manning, "Improved Semantic Representations From Tree-Structured Long Short-Term Memory Networks",
    ACL 2015, section 4.2, equations 15 to 17.

    Args:
        input_size: H.
        hidden_size: of h_s; 50 in the paper.
        grades: K; 5 in the paper.
        dropout: the probability of an entry of h_s to be dropped; 0 in the paper.

    Shapes:
        left, right: (B, H).
        log-probabilities: (B, K).
        y: (B,).
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
        """Two states (B, H) to log p̂ (B, K)."""
        return F.log_softmax(self.output(self.dropout(self.compare(left, right))), dim=1)

    def score(self, log_probabilities: Tensor) -> Tensor:
        """(B,) ŷ."""
        return log_probabilities.exp() @ self._scale(log_probabilities)

    def distribution(self, y: Tensor) -> Tensor:
        """(B, K) p.

        Raises:
            ValueError: a grade that is not in 1..K.
        """
        wrong = ~((y >= 1) & (y <= self.grades))
        if wrong.any():
            raise ValueError(f"a relatedness must be in 1..{self.grades}, got {y[wrong][0].item()}")
        # The distance to y, where it is less than 1, is what the grade lacks.
        return (1 - (self._scale(y) - y.unsqueeze(1)).abs()).clamp(min=0)

    def loss(self, log_probabilities: Tensor, y: Tensor) -> Tensor:
        """KL(p ‖ p̂), its mean over the pairs."""
        return F.kl_div(log_probabilities, self.distribution(y.to(log_probabilities.dtype)), reduction="batchmean")

    def _scale(self, like: Tensor) -> Tensor:
        """(K,) r."""
        return torch.arange(1, self.grades + 1, dtype=like.dtype, device=like.device)
