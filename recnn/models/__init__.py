"""Models: networks with words and an answer, each of which can be written to a folder and read back."""

from recnn.models.autoencoder import AutoencoderConfig as AutoencoderConfig
from recnn.models.autoencoder import TreeAutoencoder as TreeAutoencoder
from recnn.models.classifier import ClassifierConfig as ClassifierConfig
from recnn.models.classifier import TreeClassifier as TreeClassifier
from recnn.models.config import CELLS as CELLS
from recnn.models.config import NetworkConfig as NetworkConfig
from recnn.models.config import PhraseConfig as PhraseConfig
from recnn.models.folder import Model as Model
from recnn.models.folder import ModelError as ModelError
from recnn.models.folder import load as load
from recnn.models.language_model import LanguageModel as LanguageModel
from recnn.models.language_model import LanguageModelConfig as LanguageModelConfig
from recnn.models.pairs import PairConfig as PairConfig
from recnn.models.pairs import PairModel as PairModel
from recnn.models.phrases import PhraseEncoder as PhraseEncoder
from recnn.models.phrases import WordVectors as WordVectors
from recnn.models.sequence import RecurrentConfig as RecurrentConfig
from recnn.models.sequence import SequenceConfig as SequenceConfig
from recnn.models.sequence import SequenceNetwork as SequenceNetwork
from recnn.models.translator import Translator as Translator
from recnn.models.translator import TranslatorConfig as TranslatorConfig
