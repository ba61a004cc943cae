"""Moving a plain table in: a CSV file becomes customers, through the front door.

    sheet     a CSV file: its columns, its rows by line, its digest; refused as a whole if it is no such file
    rows      one row becomes a request, or is refused by field and rule
    progress  how far it is, for a terminal or for a log
    state     what is done already, beside the file, so that a broken import goes on where it stopped
    run       sends a hundred rows at a time

The importer is a storefront, a caller like any other: it seals cards itself and can read nothing back. No value of a
row is printed, logged or kept, refused rows included: a line number and a field say enough to whoever has the file.
"""
