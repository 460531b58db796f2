"""The report: one HTML file made of the marts.

`queries` has the SQL over the marts, `data` runs it, `page` writes the file. In the browser data.js chooses the rows of
a pipeline and period, sections.js counts them, view.js shows them; texts.yaml holds every word in both languages.
"""
