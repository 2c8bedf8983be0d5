"""Errors of the artifact store.

StoreError
├── StoreUnavailableError        the store refused; a retry helps once what the message names is fixed
│   └── StoreAwayError           the store did not answer; a retry helps
├── ArtifactNotCommittedError    no commit record; a retry of the reader does not help
├── ArtifactCorruptError         content and digest differ; a retry does not help, rerun the producer
├── InvalidArtifactError         an output cannot become an artifact; a retry does not help
├── ClaimInUseError              a run has what was to be replayed or reset; a retry helps once that run has ended
└── AlreadyExistsError           an exclusive create lost; the caller decides
"""


class StoreError(Exception):
    """Base of all errors of the artifact store."""


class StoreUnavailableError(StoreError):
    """The store could not be reached, or refused the operation; a retry helps when that was transient."""


class StoreAwayError(StoreUnavailableError):
    """The store did not answer; the same operation may succeed a little later."""


class ArtifactNotCommittedError(StoreError):
    """There is no commit record: the producer has not finished, failed, or its artifacts were removed."""


class ArtifactCorruptError(StoreError):
    """Content does not have the digest that its commit record or reference says."""


class InvalidArtifactError(StoreError):
    """A file or folder cannot become an artifact: it is missing, empty, or holds links or odd names."""


class ClaimInUseError(StoreError):
    """A run has a claim that has not ended, so what it holds can neither be replayed nor reset."""


class AlreadyExistsError(StoreError):
    """An object that must be created exactly once exists already."""
