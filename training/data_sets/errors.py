"""What can be wrong with a data set."""


class DataUnavailableError(Exception):
    """A data set that is neither on disk nor to be downloaded, or cannot be read with what is installed."""


class DataFileError(Exception):
    """A data file that is truncated, corrupt or another file than its name says, or pictures that are no data set."""
