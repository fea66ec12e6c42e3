"""What the Neo4j driver raises, in our words: what failed, where, and what to do next. Pure: knows the driver's names only.

`translate` takes any exception of `neo4j.exceptions`. Server codes come first (they say most), then the class, the nearest
base first. No message of ours carries a password or a query's parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ontology.errors import ConfigError, DualAlignError, QueryRefused, StoreError

if TYPE_CHECKING:
    from graph_loaders.stores.address import ServerAddress

__all__ = ["CLASSES", "CODES", "translate"]

_C, _S, _A, _Q = "config", "store", "again", "query"

CODES: dict[str, tuple[str, str]] = {
    "Security.Unauthorized": (_C, "the server refuses the user {user!r} with the password given; {password}"),
    "Security.AuthenticationRateLimit": (_A, "too many wrong passwords; wait a minute and try again"),
    "Security.CredentialsExpired": (_C, "the password of {user!r} has expired; change it on the server first"),
    "Security.TokenExpired": (_C, "the sign-in of {user!r} has expired; {password}"),
    "Security.Forbidden": (
        _C,
        "the user {user!r} may not do this; name another user, or let the administrator allow it",
    ),
    "Database.DatabaseNotFound": (
        _C,
        "the server has no database {database!r}; name one of its own, as in ...:7687/neo4j",
    ),
    "Database.DatabaseUnavailable": (_A, "the database {database!r} is not up; start it and try again"),
    "General.DatabaseUnavailable": (_A, "the database {database!r} is not up; start it and try again"),
    "General.MemoryPoolOutOfMemoryError": (_S, "it needs more memory than the server gives one transaction; {memory}"),
    "General.TransactionOutOfMemoryError": (_S, "it needs more memory than the server gives one transaction; {memory}"),
    "General.OutOfMemoryError": (
        _S,
        "the server is out of memory; give it a larger heap (server.memory.heap.max_size)",
    ),
    "General.ForbiddenOnReadOnlyDatabase": (_S, "the database {database!r} is read-only; name one that may be written"),
    "Transaction.TransactionTimedOut": (_A, "it took longer than it may; another process may be writing: try again"),
    "Transaction.TransactionTimedOutClientConfiguration": (
        _A,
        "it took longer than it may; another process may be writing: try again",
    ),
    "Transaction.LockAcquisitionTimeout": (_A, "another process is writing to it; try again"),
    "Transaction.LockClientStopped": (_A, "another process is writing to it; try again"),
    "Transaction.DeadlockDetected": (_A, "another process is writing to it; try again"),
    "Transaction.Terminated": (_A, "the server ended the transaction; try again"),
}
"""By the end of the server's code `Neo.Kind.Group.Name`."""

CLASSES: dict[str, tuple[str, str]] = {
    "AuthError": (_C, "the server refuses the user {user!r} with the password given; {password}"),
    "TokenExpired": (_C, "the sign-in of {user!r} has expired; {password}"),
    "Forbidden": (_C, "the user {user!r} may not do this; name another user, or let the administrator allow it"),
    "CypherSyntaxError": (_Q, "the query cannot run: {said}"),
    "CypherTypeError": (_Q, "the query cannot run: {said}"),
    "ConstraintError": (
        _S,
        "the server's constraint was broken ({said}); run `dualalign graph verify` or load it anew",
    ),
    "ClientError": (_S, "the server refused a statement: {said}; check the server's version and its settings"),
    "DatabaseUnavailable": (_A, "the database {database!r} is not up; start it and try again"),
    "NotALeader": (_A, "the cluster is choosing a leader; try again"),
    "ForbiddenOnReadOnlyDatabase": (_S, "the database {database!r} is read-only; name one that may be written"),
    "TransientError": (_A, "the server could not just now ({said}); try again"),
    "DatabaseError": (_S, "the server failed ({said}); look into its log"),
    "Neo4jError": (_S, "the server failed ({said}); look into its log"),
    "IncompleteCommit": (
        _A,
        "the connection was cut while it was committed; run the same again: nothing is done twice",
    ),
    "WriteServiceUnavailable": (_A, "no server of the cluster takes writes; try again"),
    "ReadServiceUnavailable": (_A, "no server of the cluster takes reads; try again"),
    "RoutingServiceUnavailable": (_A, "the server gives no routes; try again, or write bolt:// in place of neo4j://"),
    "ServiceUnavailable": (
        _A,
        "the server does not answer; check that it runs and that host and port are right, and try again",
    ),
    "SessionExpired": (_A, "the connection was cut; run the same again: nothing is done twice"),
    "ConnectionAcquisitionTimeoutError": (_A, "every connection to the server is in use; try again"),
    "ConnectionPoolError": (_A, "no connection to the server could be had ({said}); try again"),
    "CertificateConfigurationError": (_C, "the certificate cannot be used ({said}); give one that can"),
    "AuthConfigurationError": (_C, "the sign-in cannot be used ({said}); {password}"),
    "ConfigurationError": (
        _C,
        "the address cannot be used ({said}); write it as neo4j://USER@HOST:7687/DATABASE?graph=NAME",
    ),
    "UnsupportedServerProduct": (_C, "what answers there is no Neo4j ({said}); name a Neo4j server of 5.13 or later"),
    "TransactionNestingError": (_S, "the driver is in another transaction ({said}); open the graph again"),
    "TransactionError": (_A, "the transaction ended early ({said}); try again"),
    "SessionError": (_S, "the connection is closed ({said}); open the graph again"),
    "ResultConsumedError": (_S, "an answer was read too late ({said}); ask again"),
    "ResultFailedError": (_A, "the answer broke off ({said}); ask again"),
    "ResultNotSingleError": (_S, "the server's answer is not as expected ({said}); check its version"),
    "ResultError": (_S, "the server's answer cannot be used ({said}); ask again"),
    "BrokenRecordError": (_S, "the server sent a value that cannot be read ({said}); leave it out of the query"),
    "DriverError": (_S, "the driver failed ({said}); open the graph again"),
    "GqlError": (_S, "the server failed ({said}); look into its log"),
}
"""By the name of the driver's class; a class that is not here takes the entry of its nearest base."""

_MEMORY = "raise db.memory.transaction.max and server.memory.heap.max_size there, or do it in smaller parts"
_SHOWN = 300


def translate(error: BaseException, address: ServerAddress, doing: str) -> DualAlignError:
    """Our error for one of the driver's: `doing` is what did not happen to the graph, such as "written"."""
    from graph_loaders.stores.address import PASSWORD_WAY

    names = [kind.__name__ for kind in type(error).__mro__]
    code = ".".join((getattr(error, "code", None) or "").split(".")[2:])
    kind, sentence = CODES.get(code) or next((CLASSES[n] for n in names if n in CLASSES), (_S, "{said}"))
    said = " ".join((getattr(error, "message", None) or str(error) or names[0]).split())[:_SHOWN]
    words = {"user": address.user, "database": address.database, "password": PASSWORD_WAY, "memory": _MEMORY}
    sentence = sentence.format(said=said, **words)
    if kind == _Q:
        return QueryRefused(sentence)
    sentence = f"the graph {address} was not {doing}: {sentence}"
    return ConfigError(sentence) if kind == _C else StoreError(sentence, retryable=kind == _A)
