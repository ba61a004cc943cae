"""The mail gateway: takes mail from a mail server, keeps it in the vault, and hands it on when it is due.

    front, session, wire        the listener; a conversation in LMTP or SMTP; a connection as lines and pieces
    commands, body, reply, trace        what is said, read strictly and without I/O
    intake, fan_out, owners     from one text to one stored message for each owner
    relay, errand, backoff      workers; one message on its way; when to try again
    next_hop, report            the client's side; the letter that tells a sender what did not arrive
    port, vault_store           what it needs of a vault, and the vault that gives it
    process, settings           all of it as one process, by a file
    counts, metrics             what happened, for monitoring

It is a caller like any other: it has the mail role's certificate and mail's private key, and of the vault it knows the
SDK, the names and the errors.
"""
