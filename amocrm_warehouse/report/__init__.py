"""The report: one HTML file made of the marts.

`queries` says what is read of them, `data` reads it, `page` makes the file of it. In the browser data.js chooses by
pipeline and period, sections.js counts, view.js shows; texts.yaml holds every word in both languages.
"""
