"""An example backend: a web service such as Azure Machine Learning Studio (classic) published."""
