"""The page: digits by their addresses, scores of what one draws, and how a GAN learns, in a browser.

A client of the server like any other: `app.py` puts it together, `static/` is what the browser gets.
"""
