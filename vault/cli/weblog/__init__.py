"""A web server's access log, on its way to counts: what identifies a visitor ends here, on the web server's machine.

lines     one line of nginx's or Apache's log, or the reason why it is none
batches   many lines as few counts
state     how far the file was read
run       sends the counts, once each
"""
