"""`Budget`: how many tokens and how much money a run may cost at most; a stop that is never passed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Budget", "Ledger", "Prices"]

_MOST_TOKENS_A_BYTE = 1.0  # a byte-level vocabulary never makes more; what the server reports lowers it
_MARGIN = 1.25
_FRAME = 64  # tokens of the chat template around the messages


@dataclass(frozen=True, slots=True)
class Prices:
    """Price of a million tokens, in the currency of the budget: of the prompt and of the answer."""

    prompt: float = 0.0
    answer: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent: tokens (prompt and answer together) and money; None where there is no bound."""

    tokens: int | None = None
    money: float | None = None
    prices: Prices = Prices()


class Ledger:
    """What a budget was spent on. Each call reserves the most it can cost before it is sent, and settles what the server reports:
    calls in flight can therefore never pass the bound. A call whose cost stays unknown (a time-out) keeps its reservation.

    The bound holds for servers that report their usage truly. Before the first report a byte of the prompt counts as a
    token, afterwards as the most tokens a byte that were seen, and a quarter more.

    >>> ledger = Ledger(Budget(tokens=1000))
    >>> ledger.reserve(prompt_bytes=600, most_answer=120), ledger.reserve(prompt_bytes=600, most_answer=120)
    ((664, 120), None)
    >>> ledger.settle((664, 120), prompt_bytes=600, prompt=150, answer=20)
    >>> ledger.tokens, ledger.reserve(prompt_bytes=600, most_answer=120)
    (170, (251, 120))
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.prompt = self.answer = self.unknown = 0
        self._held = (0, 0)
        self._rate = 0.0

    @property
    def tokens(self) -> int:
        """Tokens spent: reported ones, and what calls without a report may have cost."""
        return self.prompt + self.answer

    @property
    def money(self) -> float:
        """What they cost."""
        return self._price(self.prompt, self.answer)

    @property
    def idle(self) -> bool:
        """Whether nothing is reserved."""
        return self._held == (0, 0)

    def reserve(self, *, prompt_bytes: int, most_answer: int) -> tuple[int, int] | None:
        """Sets aside (prompt, answer) tokens for a call; None where they do not fit beside what is spent and reserved."""
        rate = min(_MOST_TOKENS_A_BYTE, self._rate * _MARGIN) if self._rate else _MOST_TOKENS_A_BYTE
        asked = (int(prompt_bytes * rate) + _FRAME, most_answer)
        prompt, answer = self.prompt + self._held[0] + asked[0], self.answer + self._held[1] + asked[1]
        budget = self.budget
        if budget.tokens is not None and prompt + answer > budget.tokens:
            return None
        if budget.money is not None and self._price(prompt, answer) > budget.money:
            return None
        self._held = (self._held[0] + asked[0], self._held[1] + asked[1])
        return asked

    def settle(
        self, held: tuple[int, int], *, prompt_bytes: int, prompt: int | None, answer: int | None, unsent: bool = False
    ) -> None:
        """Replaces a reservation by what was used; by itself where that is not known; by nothing where it was `unsent`."""
        self._held = (self._held[0] - held[0], self._held[1] - held[1])
        if unsent:
            return
        if prompt is None or answer is None:
            prompt, answer = held
            self.unknown += 1
        else:
            self._rate = max(self._rate, prompt / max(1, prompt_bytes))
        self.prompt += prompt
        self.answer += answer

    def _price(self, prompt: int, answer: int) -> float:
        return (prompt * self.budget.prices.prompt + answer * self.budget.prices.answer) / 1e6
