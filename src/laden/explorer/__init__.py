"""The explorer: a page on this machine that shows a container, a folder or a source, image by image.

In the order of a visit: `serve` opens a port of this machine and the browser, `guard` decides about every request
before anything else does, `app` has the routes, a place is what is shown (`stored`: a container or folder;
`surveyed`: a source before it is loaded). A place fills its `index` with what is there, in the embedded database;
`views` page, sort and filter it, `labels` joins the table and proves conditions, `pixels` decodes one image to its grey
values, which the browser windows. `jobs` are what takes longer: a download, a verification, a deletion. The page itself
is in `static/`: plain modules, no build step.

The server lives in one event loop; the database is asked in threads. Nothing is changed anywhere unless it was started
with `--write`. Not for diagnosis.
"""
