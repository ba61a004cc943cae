"""Disclosure: orders under which legal reads, approved by two people."""
