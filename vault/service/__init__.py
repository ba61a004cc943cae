"""The use cases: put and read records, customers, keys, the policy and the log. It knows no gRPC and no SQL.

settings    vault.toml
vault       everything of one process, opened together; the way of a call
parts       what the services of one process share
call        one call: who, what, when
validation  the shape of requests, as the .proto declares it
kinds       what the use cases know of each kind of record
opening     rows become opened records: key, lock, form
reading     the way of a read, in the order in which data flows
drafts      records as they were sent, checked
sealed      what a caller sealed itself, checked from outside
writing     the way of a write: sealed, locked, committed once for each request_id
removal     the way of a deletion
entries     log entries of calls
outcomes    how items of a batch fail
paging      page tokens
upkeep      what a server does by itself, hourly
customers, contacts, payments, keys, policies, logs     one service each
"""
