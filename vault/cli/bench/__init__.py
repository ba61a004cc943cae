"""What a call costs: the real server beside an empty method, and beside the bare work, in one run.

    cases     one file for each thing that is measured
    people    made-up customers
    place     a vault in a temporary folder, and the processes around it
    child     a process that is told what to do in lines of JSON
    rounds    takes turns, so that what disturbs the machine disturbs both sides
    figures   medians of rounds, ratios, the floor
    table     the same for people

    empty     a process: a gRPC server whose method does nothing
    load      a process: callers
    bare      a process: the same work in a loop without any service (bare_reads, bare_writes, commits, press)
    marked    a process: the real server, with marks around the stages of a call (stopwatch)

Figures of two machines, or of one machine on two days, say little about a program; a ratio measured in one run says
how much of the time is the vault's doing. So each round measures both sides one after the other, and a ratio is made
of neighbours. The callers use bare gRPC with prepared bytes and not the SDK: it is the server that is measured.
"""
