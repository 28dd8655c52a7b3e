from .classifiers import SentenceClassifier as SentenceClassifier
from .classifiers import TreeClassifier as TreeClassifier
from .regressors import SentenceRegressor as SentenceRegressor
from .regressors import TreeRegressor as TreeRegressor
from .vectorizers import SentenceVectorizer as SentenceVectorizer
from .vectorizers import TreeVectorizer as TreeVectorizer
