"""The report in files that other tools read, a module a format: pure functions from its tables to bytes.

What the report holds is made in `mpr_assets.report`, as is its page.
"""
