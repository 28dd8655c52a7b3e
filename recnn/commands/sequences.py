"""Tasks on sequences of numbers: `recnn train echo`, `subtraction` and `air-quality`."""

from typing import TYPE_CHECKING

import lazy_loader
import typer

import corpora
from parsers.errors import InputError
from recnn.commands.common import shown_values
from recnn.commands.train import trains
from recnn.data.sources import AirQualityData, EchoData, SubtractionData
from recnn.models.config import SequenceConfig, SequenceNetworkConfig, Steps
from recnn.settings import Task, as_json, settings_of
from recnn.training.options import Training

if TYPE_CHECKING:
    from corpora.air_quality import Windows
    from recnn.models.sequences import SequenceModel
    from recnn.training.objectives.sequences import SequenceObjective, Sequences

np = lazy_loader.load("numpy")
torch = lazy_loader.load("torch")

_HELD_OUT = 1_000_003  # added to the seed for validation data, twice for test data


@trains("echo", data=EchoData, network=SequenceNetworkConfig, training=Training)
def echo(data: EchoData, network: SequenceNetworkConfig, training: Training) -> "SequenceObjective":
    """Predict the lag of the echo in a signal (many to one).

    With --question delayed, predict the signal one lag before, at each step (many to many).
    """
    from recnn.training.objectives.sequences import SequenceObjective, Sequences, measured

    if data.question == "lag" and data.largest_lag < 2:
        raise typer.BadParameter(
            "expected at least 2, as a single lag leaves nothing to predict", param_hint="--largest-lag"
        )
    lags = range(1, data.largest_lag + 1) if data.question == "lag" else [data.largest_lag]

    def signals(count: int, seed: int) -> "Sequences":
        try:
            found = list(
                corpora.generate_echo(count, seed, data.length, list(lags), strength=data.strength, noise=data.noise)
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        target = [each.lag - 1 for each in found] if data.question == "lag" else [each.delayed for each in found]
        inputs = torch.from_numpy(np.stack([each.signal for each in found])).unsqueeze(2)
        return Sequences(inputs, torch.from_numpy(np.array(target)))

    def closing(model: "SequenceModel") -> list[str]:
        return [f"on 2,000 new signals: {shown_values(measured(model, signals(2_000, training.seed + 2 * _HELD_OUT)))}"]

    if data.question == "lag":
        config = _config(network, inputs=1, outputs=data.largest_lag, task="classes", steps="many-to-one")
    else:
        config = _config(network, inputs=1, outputs=1, task="regression", steps="many-to-many")
    held_out = signals(max(100, data.count // 10), training.seed + _HELD_OUT)
    return SequenceObjective(config, training, signals(data.count, training.seed), held_out, closing)


@trains("subtraction", data=SubtractionData, network=SequenceNetworkConfig, training=Training)
def subtraction(data: SubtractionData, network: SequenceNetworkConfig, training: Training) -> "SequenceObjective":
    """Subtract binary numbers (many to many).

    Numbers are read bit by bit, the least significant bit first. At the end, the model is evaluated on numbers that are
    4 and 16 times as long.
    """
    from recnn.training.objectives.sequences import SequenceObjective, Sequences, measured

    def differences(count: int, seed: int, length: int) -> "Sequences":
        try:
            found = list(corpora.generate_subtraction(count, seed, length))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        numbers = torch.from_numpy(np.stack([each.numbers for each in found])).float()
        return Sequences(numbers, torch.from_numpy(np.stack([each.difference for each in found])))

    lengths = [data.length * factor for factor in (4, 16)]
    asked = {length: differences(2_000, training.seed + 2 * _HELD_OUT, length) for length in lengths}

    def closing(model: "SequenceModel") -> list[str]:
        return [f"on 2,000 new pairs of {n} bits: {shown_values(measured(model, each))}" for n, each in asked.items()]

    config = _config(network, inputs=2, outputs=1, task="binary", steps="many-to-many")
    held_out = differences(max(100, data.count // 10), training.seed + _HELD_OUT, 4 * data.length)
    return SequenceObjective(config, training, differences(data.count, training.seed, data.length), held_out, closing)


@trains("air-quality", data=AirQualityData, network=SequenceNetworkConfig, training=Training)
def air_quality(data: AirQualityData, network: SequenceNetworkConfig, training: Training) -> "SequenceObjective":
    """Forecast Beijing's PM2.5 (many to one).

    The forecast is based on the pollution and the weather of the preceding hours. Training is on 2010 to 2012,
    validation on 2013; at the end the errors on 2013 and 2014 are printed beside those of persistence, the forecast
    that nothing changes. --data is the file of the UCI repository, which `recnn data beijing_pm25` downloads.
    """
    from corpora.air_quality import scale_of, split_years, windows
    from recnn.training.objectives.sequences import SequenceObjective, Sequences, measured

    if data.data is None:
        raise typer.BadParameter(
            "give the file PRSA_data_2010.1.1-2014.12.31.csv, see `recnn data`", param_hint="--data"
        )
    table = corpora.read_air_quality(data.data)
    try:
        tables = split_years(table)
        scale = scale_of(tables["train"])
    except ValueError as error:
        raise InputError(f"{data.data}: {error}") from None
    parts = {name: windows(table, data.history, data.horizon) for name, table in tables.items()}

    def sequences(part: "Windows") -> "Sequences":
        return Sequences(torch.from_numpy(part.inputs), torch.from_numpy(part.targets))

    def closing(model: "SequenceModel") -> list[str]:
        found = []
        for name in ("dev", "test"):
            part, year = parts[name], parts[name].hours[0].astype("datetime64[Y]")
            off = part.persistence - part.targets
            unchanged = {"rmse": float(np.sqrt(np.mean(off**2))), "mae": float(np.mean(abs(off)))}
            own = shown_values(measured(model, sequences(part)))
            found.append(f"{year}, {len(part.targets):,} hours: forecast {own}; persistence {shown_values(unchanged)}")
        return found

    config = _config(network, inputs=len(corpora.AIR_FEATURES), outputs=1, task="regression", steps="many-to-one")
    objective = SequenceObjective(config, training, sequences(parts["train"]), sequences(parts["dev"]), closing)
    objective.model.standardise(scale, (scale.mean[:1], scale.deviation[:1]))
    return objective


def _config(network: SequenceNetworkConfig, inputs: int, outputs: int, task: Task, steps: Steps) -> SequenceConfig:
    try:
        own = {"inputs": inputs, "outputs": outputs, "task": task, "steps": steps}
        return settings_of(SequenceConfig, as_json(network) | own)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
