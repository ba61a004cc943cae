"""The SQLite driver: one process, two files, one thread that writes.

driver      the port's methods: reads go to the reader, all else to the writer
reader      reads, on the event loop's thread
writer      the thread that owns every write: it takes what has queued up and commits it as one group
group       one group: its facts, its plan, and what of it goes where in which order
plan        what a group does, decided without I/O
owed        key-store changes that nobody waits for, and that ride on its next commit
erase       erasures, and the end of those that a crash cut short
sweep       keys that no row opens under any more
startup     making and opening the files; refusing what does not belong together
stores      the two write connections, their sequence numbers and log sizes
connection  how a file is opened; failures: what SQLite's errors mean; schema: the tables; rows: SQL of many rows
"""

from vault.storage.sqlite.driver import SqliteStorage

__all__ = ["SqliteStorage"]
