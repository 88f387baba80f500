"""The model that the web service offers: one text column in, hashed features out."""

from dataclasses import dataclass

from examples.azureml.hashing import count_features

INPUT_NAME = "input1"
OUTPUT_NAME = "output1"
# As the documented output of the module's successor in the designer; counted from 0.
FEATURE_COLUMN = "{column}_HashingFeature.{index}"


@dataclass(frozen=True, slots=True)
class Model:
    """Feature Hashing, with only the features as its output (the text column is left out).

    Memory and answers grow with `2**bits` columns for each row.
    """

    text_column: str
    bits: int
    ngrams: int

    @property
    def feature_columns(self) -> list[str]:
        return [FEATURE_COLUMN.format(column=self.text_column, index=index) for index in range(2**self.bits)]

    def score(self, text: str | None) -> list[str]:
        """A row of the output: values are texts; a missing value has no features."""
        counts = count_features(text or "", bits=self.bits, ngrams=self.ngrams)
        row = ["0"] * 2**self.bits
        for index, count in counts.items():
            row[index] = str(count)
        return row
