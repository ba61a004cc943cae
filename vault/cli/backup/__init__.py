"""Backups of the two stores: taken beside the running server, complete or not there, and each described by a manifest.

manifest    what stands beside a backup: which store, of which moment, with which digest
take        the steps of taking one
progress    how far it is, for people
"""
