"""All targets by name."""

from tests.fuzz.cases import Target
from tests.fuzz.commands import COMMANDS
from tests.fuzz.models import MODELS
from tests.fuzz.readers import READERS

TARGETS: dict[str, Target] = {**READERS, **MODELS, **COMMANDS}
