"""The worked tasks of recurrent networks: `recnn train echo`, `subtraction` and `air-quality`."""

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
import typer
from pydantic import Field
from pydantic.dataclasses import dataclass

from corpora.air_quality import AIR_FEATURES, Windows, read_air_quality, scale_of, split_years, windows
from corpora.echo import generate_echo
from corpora.subtraction import generate_subtraction
from parsers.errors import InputError
from recnn.config import STRICT, Count, Location, NotNegative, as_json, settings_of
from recnn.heads import Task
from recnn.models.sequence import RecurrentConfig, SequenceConfig, SequenceNetwork, Steps
from recnn.objectives.options import TrainingOptions

if TYPE_CHECKING:
    from recnn.objectives.sequences import SequenceLearning

_HELD_OUT = 1_000_003  # what is added to a seed for data that are held out


@dataclass(frozen=True, config=STRICT)
class EchoData:
    """Signals with their echo."""

    question: Annotated[
        Literal["lag", "delayed"],
        Field(description="The lag of the echo, once, or at each step the signal as it was a lag ago."),
    ] = "lag"
    count: Annotated[Count, Field(description="Signals to learn from; a tenth more to choose on.")] = 10_000
    length: Annotated[Count, Field(description="Steps of a signal.")] = 40
    largest_lag: Annotated[Count, Field(description="Lags are 1 to this; delayed, this.")] = 5
    strength: Annotated[NotNegative, Field(description="Of the echo.")] = 0.8
    noise: Annotated[NotNegative, Field(description="Its standard deviation; that of the source is 1.")] = 0.0


@dataclass(frozen=True, config=STRICT)
class SubtractionData:
    """Differences of binary numbers."""

    count: Annotated[Count, Field(description="Differences to learn from; a tenth more to choose on.")] = 5_000
    length: Annotated[Count, Field(description="Bits of a number; those held out have four times as many.")] = 8


@dataclass(frozen=True, config=STRICT)
class AirData:
    """Hours of air quality and weather."""

    data: Annotated[Location | None, Field(description="The file of Beijing's PM2.5; see `recnn data`.")] = None
    history: Annotated[Count, Field(description="Hours that a forecast sees.")] = 24
    horizon: Annotated[Count, Field(description="Hours from the last of them to the one that is forecast.")] = 1


def echo(network: RecurrentConfig, data: EchoData, options: TrainingOptions) -> "SequenceLearning":
    """Train to hear at what lag a signal has its echo, or to give the signal back a lag later."""
    from recnn.objectives.sequences import SequenceLearning, Sequences, measured

    if data.question == "lag" and data.largest_lag < 2:
        raise typer.BadParameter("a single lag leaves nothing to tell apart", param_hint="--largest-lag")
    lags = range(1, data.largest_lag + 1) if data.question == "lag" else [data.largest_lag]

    def signals(count: int, seed: int) -> Sequences:
        try:
            found = list(generate_echo(count, seed, data.length, list(lags), strength=data.strength, noise=data.noise))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        target = [each.lag - 1 for each in found] if data.question == "lag" else [each.delayed for each in found]
        inputs = torch.from_numpy(np.stack([each.signal for each in found])).unsqueeze(2)
        return Sequences(inputs, torch.from_numpy(np.array(target)))

    def closing(model: SequenceNetwork) -> list[str]:
        return [f"on 2,000 new signals: {_shown(measured(model, signals(2_000, options.seed + 2 * _HELD_OUT)))}"]

    if data.question == "lag":
        config = _config(network, inputs=1, outputs=data.largest_lag, task="classes", steps="many-to-one")
    else:
        config = _config(network, inputs=1, outputs=1, task="regression", steps="many-to-many")
    held_out = signals(max(100, data.count // 10), options.seed + _HELD_OUT)
    return SequenceLearning(config, options, signals(data.count, options.seed), held_out, closing)


def subtraction(network: RecurrentConfig, data: SubtractionData, options: TrainingOptions) -> "SequenceLearning":
    """Train to subtract binary numbers bit by bit, the least significant first, and go on to longer ones."""
    from recnn.objectives.sequences import SequenceLearning, Sequences, measured

    def differences(count: int, seed: int, length: int) -> Sequences:
        try:
            found = list(generate_subtraction(count, seed, length))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        numbers = torch.from_numpy(np.stack([each.numbers for each in found])).float()
        return Sequences(numbers, torch.from_numpy(np.stack([each.difference for each in found])))

    lengths = [data.length * factor for factor in (4, 16)]
    asked = {length: differences(2_000, options.seed + 2 * _HELD_OUT, length) for length in lengths}

    def closing(model: SequenceNetwork) -> list[str]:
        return [f"on 2,000 new pairs of {n} bits: {_shown(measured(model, each))}" for n, each in asked.items()]

    config = _config(network, inputs=2, outputs=1, task="binary", steps="many-to-many")
    held_out = differences(max(100, data.count // 10), options.seed + _HELD_OUT, 4 * data.length)
    return SequenceLearning(config, options, differences(data.count, options.seed, data.length), held_out, closing)


def air_quality(network: RecurrentConfig, data: AirData, options: TrainingOptions) -> "SequenceLearning":
    """Train to forecast Beijing's PM2.5 from the pollution and the weather of the hours before.

    It learns from 2010 to 2012 and chooses on 2013; at the end its errors on 2013 and 2014 stand beside those of the
    forecast that nothing changes (persistence). --data is the file of the UCI repository: `recnn data beijing_pm25`.
    """
    from recnn.objectives.sequences import SequenceLearning, Sequences, measured

    if data.data is None:
        raise typer.BadParameter("name the file, such as PRSA_data_2010.1.1-2014.12.31.csv", param_hint="--data")
    table = read_air_quality(data.data)
    try:
        tables = split_years(table)
        scale = scale_of(tables["train"])
    except ValueError as error:
        raise InputError(f"{data.data}: {error}") from None
    parts = {name: windows(table, data.history, data.horizon) for name, table in tables.items()}

    def sequences(part: Windows) -> Sequences:
        return Sequences(torch.from_numpy(part.inputs), torch.from_numpy(part.targets))

    def closing(model: SequenceNetwork) -> list[str]:
        found = []
        for name in ("dev", "test"):
            part, year = parts[name], parts[name].hours[0].astype("datetime64[Y]")
            off = part.persistence - part.targets
            unchanged = {"rmse": float(np.sqrt(np.mean(off**2))), "mae": float(np.mean(abs(off)))}
            own = _shown(measured(model, sequences(part)))
            found.append(f"{year}, {len(part.targets):,} hours: forecast {own}; persistence {_shown(unchanged)}")
        return found

    config = _config(network, inputs=len(AIR_FEATURES), outputs=1, task="regression", steps="many-to-one")
    objective = SequenceLearning(config, options, sequences(parts["train"]), sequences(parts["dev"]), closing)
    objective.model.standardise(scale, (scale.mean[:1], scale.deviation[:1]))
    return objective


def _config(network: RecurrentConfig, inputs: int, outputs: int, task: Task, steps: Steps) -> SequenceConfig:
    try:
        own = {"inputs": inputs, "outputs": outputs, "task": task, "steps": steps}
        return settings_of(SequenceConfig, as_json(network) | own)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _shown(values: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {100 * value:.2f} percent" if name in ("accuracy", "sequences") else f"{name} {value:.2f}"
        for name, value in values.items()
    )
