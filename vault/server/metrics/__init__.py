"""What monitoring reads: the families of figures, the counts of calls, and the text that Prometheus scrapes.

families   every family by name: what kind, which labels, what it means
counts     calls by method, role and outcome, noted on the way of each call for next to nothing
page       all figures as text
"""
