"""Documents that people read, print and sign, generated from the policy.

    page       the whole policy as one HTML page
    html       what a page is made of: escaped text, tables that a screen reader can walk
    activities the record of processing activities (GDPR, article 30)

They are generated because a document that somebody keeps by hand says what the policy was, not what it is.
"""
