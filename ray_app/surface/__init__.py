"""The HTTP surface of the models, one file per API family. No ray, no torch: the models are behind `parts`."""
