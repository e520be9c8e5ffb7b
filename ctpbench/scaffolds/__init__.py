"""What one begins with: a package of one's own from templates, a suite from a few answers.

The templates are in `templates/`, by Jinja: `common/` for every kind of package, and a folder for each of them.
"""
