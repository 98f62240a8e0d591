"""Jobs, keys and credits in SQLite or PostgreSQL: a file for one machine, a server for several.

SQLite is told to flush every commit (WAL, `synchronous=FULL`), so that what was acknowledged survives
the end of the process and of the power alike; PostgreSQL does so by itself.
"""

from service.backends.sql.engine import Database
from service.backends.sql.index import SqlIndex
from service.backends.sql.jobs import SqlJobs
from service.backends.sql.keys import SqlKeys
from service.backends.sql.ledger import SqlLedger
from service.backends.sql.roster import SqlRoster

__all__ = ["Database", "SqlIndex", "SqlJobs", "SqlKeys", "SqlLedger", "SqlRoster"]
