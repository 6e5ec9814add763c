"""Using a trained network: what it says of pictures, and what it makes of a data set.

predict = Predictor(models.from_checkpoint("checkpoint"))
for prediction in predict(find_sources(["photos/", "seven.png"])):
    print(prediction.picture, prediction.top)
"""

from npnet.prediction.digits import NothingToRead, prepare_digit
from npnet.prediction.predictor import Guess, Prediction, Predictor
from npnet.prediction.sources import Source, find_sources

__all__ = [
    "Guess",
    "NothingToRead",
    "Prediction",
    "Predictor",
    "Source",
    "find_sources",
    "prepare_digit",
]
