"""The SQLite driver: one process, two files, one thread that writes.

driver      the port's methods: reads go to the reader, all else to the writer
reader      reads, on the event loop's thread
writer      the loop's side of writing: jobs queue up, and go to the thread as one turn
thread      the thread that owns every write, and does one turn after the other
group       one group of works: its facts, its plan, and what of it goes where in which order
plan        what a group does, decided without I/O
slots       where wrapped keys lie, so that destroying one leaves no copy
owed        key-store changes that nobody waits for, and that ride on its next commit
erase       erasures, and the end of those that a crash cut short
system      small jobs: system rows, vault keys, leases, checkpoints
house       what is done between turns: settle, cut the WAL, checkpoint
sweep       keys that no row opens under any more
purge       retired keys whose restore window is over
survey      what two stores of different times have against each other
repair      making them fit, offline
startup     making and opening the files; refusing what does not belong together
stores      the two write connections, their sequence numbers and log sizes
connection  how a file is opened; failures: what SQLite's errors mean; schema: the tables; rows: SQL of many rows
"""

from vault.storage.sqlite.driver import SqliteStorage

__all__ = ["SqliteStorage"]
