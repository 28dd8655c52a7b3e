"""Colours of pictures in the light and the dark theme, and the diverging scale of values."""

from __future__ import annotations

import math
from typing import Literal

Theme = Literal["auto", "light", "dark"]
STEPS = 9
"""Number of colours of the scale."""

# Negative, neutral and positive ends: the red and blue of ColorBrewer's RdBu, which colour-blind people tell apart.
_ENDS = {"light": ("#b2182b", "#ececec", "#2166ac"), "dark": ("#ef8a62", "#30363d", "#67a9cf")}
_INKS = {
    "light": {"paper": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "line": "#8c959f"},
    "dark": {"paper": "#0d1117", "ink": "#e6edf3", "soft": "#9198a1", "line": "#6e7681"},
}


def step_of(value: float, bound: float) -> int:
    """Return the step of a value on the scale from -bound to bound: 0 to STEPS - 1, the middle one for 0."""
    share = max(-1.0, min(1.0, value / bound)) if bound > 0 else 0.0
    return round((share + 1) / 2 * (STEPS - 1))


def palette(theme: Literal["light", "dark"]) -> dict[str, dict[str, str]]:
    """Return the attributes of each class of marks: fill or stroke, by name of the class."""
    inks = _INKS[theme]
    found = {
        "paper": {"fill": inks["paper"]},
        "word": {"fill": inks["ink"]},
        "label": {"fill": inks["soft"]},
        "edge": {"stroke": inks["line"]},
        "arrow": {"fill": inks["line"]},
        "box": {"fill": inks["paper"], "stroke": inks["line"]},
    }
    for step, colour in enumerate(scale_colours(theme)):
        found[f"step{step}"] = {"fill": colour}
        light, dark = "#ffffff", "#000000"
        found[f"on{step}"] = {"fill": light if contrast(light, colour) > contrast(dark, colour) else dark}
    return found


def scale_colours(theme: Literal["light", "dark"]) -> list[str]:
    """Return the colours of the scale, from the negative end to the positive one."""
    negative, neutral, positive = _ENDS[theme]
    half = STEPS // 2
    down = [_between(neutral, negative, step / half) for step in range(half, 0, -1)]
    return [*down, neutral, *(_between(neutral, positive, step / half) for step in range(1, half + 1))]


def _between(start: str, end: str, share: float) -> str:
    mixed = (round(a + share * (b - a)) for a, b in zip(_channels(start), _channels(end), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2; text needs at least 4.5)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    linear = [c / 3294.6 if c <= 10 else math.pow((c / 255 + 0.055) / 1.055, 2.4) for c in _channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
