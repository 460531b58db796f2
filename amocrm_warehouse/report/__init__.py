"""The report: one HTML file made of the marts.

page_queries has the SQL over the marts, page_data runs it, page_days tells the page of a day, report_page writes the
file. In the browser data.js chooses the rows of a pipeline and period, sections.js counts them, view.js shows them.
sections.json, blocks.json and charts.json declare its sections, tables and charts; texts.yaml holds every word in both
languages.
"""
