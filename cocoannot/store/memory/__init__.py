"""The store of one process: the dataset in memory, its journal and its file behind it."""
