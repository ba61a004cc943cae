"""The use cases: put and read records, customers, keys, the policy and the log. It knows no gRPC and no SQL.

vault       everything of one process, opened together; the way of a call
call        one call: who, what, when
kinds       what the use cases know of each kind of record
opening     rows become opened records: key, lock, form
reading     the way of a read, in the order in which data flows
writing     the way of a write: sealed, locked, committed once for each request_id
sealed      what a caller sealed itself, checked from outside
entries     log entries of calls
customers, contacts, payments, keys, policies, logs     one service each
"""
