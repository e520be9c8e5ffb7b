"""The report as a folder of pages for a browser, read from disk or from a server, without a request to any other."""
