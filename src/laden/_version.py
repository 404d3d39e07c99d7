"""The version of laden, which stands here alone, and with which the package is built.

So it takes no search among all installed packages to say it, as the page of each load and each request do.
"""

VERSION = "0.1.0"
